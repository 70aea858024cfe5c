// Whether anybody looks at the page.

/**
 * A window that nobody sees gives its stream back after a while, since a browser has six connections to a server for all its
 * windows, and looks for news from time to time, for so long at most.
 */
const HIDDEN_MS = { after: 20_000, every: 30_000, look: 10_000 };

export const isSeen = () => document.visibilityState === "visible";

/** Until somebody looks at the page, or it is time to look for news. */
export function seenAgain(): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", whenSeen);
      done();
    };
    const whenSeen = () => isSeen() && end();
    const timer = setTimeout(end, HIDDEN_MS.every);
    document.addEventListener("visibilitychange", whenSeen);
    whenSeen();
  });
}

/** Calls back once nobody has looked for a while; sooner where nobody did from the beginning. Gives how to end that. */
export function whenHidden(release: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waits = HIDDEN_MS.look;
  const look = () => {
    clearTimeout(timer);
    if (isSeen()) waits = HIDDEN_MS.after;
    timer = isSeen() ? undefined : setTimeout(release, waits);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
