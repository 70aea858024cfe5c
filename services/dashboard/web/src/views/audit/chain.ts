// Whether audit records follow from each other, as far as can be told without computing their hashes anew.

/** What is looked at of a record. */
export interface Link {
  sequence: bigint;
  previousHash: string;
  hash: string;
}

export interface Checked {
  /** How many records were looked at. */
  records: number;
  /** How many stand beside the one before, and have its hash. */
  joined: number;
  /** How many do not stand beside the one before, since those between were not asked for. */
  apart: number;
  /** Whether the first record of all is among them, and is a beginning. */
  isFromStart: boolean;
  /** What does not hold, a line each. */
  broken: string[];
}

const NO_HASH = "0".repeat(64);
/** Breaks told one by one; a record that is cut in the middle can have thousands. */
const TOLD_MAX = 20;

/**
 * Looks at records, oldest first. Where `isWhole` no record between the first of these and the last was left out, so that a
 * place without one is a break; otherwise those between were not asked for. Where `hasBeginning` none came before them.
 */
export function checkChain(records: readonly Link[], isWhole: boolean, hasBeginning = isWhole): Checked {
  const broken: string[] = [];
  let [joined, apart] = [0, 0];
  records.forEach((record, index) => {
    const before = records[index - 1];
    if (!/^[0-9a-f]{64}$/.test(record.hash)) broken.push(`${record.sequence} has no hash`);
    if (record.sequence === 1n && record.previousHash !== NO_HASH) broken.push("1 follows from another, and should be the first");
    if (!before) {
      if (hasBeginning && record.sequence !== 1n) broken.push(`the record begins with ${record.sequence} and not with 1`);
    } else if (record.sequence <= before.sequence) {
      broken.push(`${record.sequence} comes after ${before.sequence}`);
    } else if (record.sequence !== before.sequence + 1n) {
      if (isWhole) broken.push(`between ${before.sequence} and ${record.sequence} some are missing`);
      else apart += 1;
    } else if (record.previousHash !== before.hash) {
      broken.push(`${record.sequence} does not have the hash of ${before.sequence}`);
    } else {
      joined += 1;
    }
  });
  const more = broken.length - TOLD_MAX;
  const told = more > 0 ? [...broken.slice(0, TOLD_MAX), `and ${more} more`] : broken;
  const first = records[0];
  return {
    records: records.length,
    joined,
    apart,
    isFromStart: first?.sequence === 1n && first.previousHash === NO_HASH,
    broken: told,
  };
}
