// @vitest-environment node
import { describe, expect, it } from "vitest";
import { checkChain, type Link } from "../src/views/audit/chain";

const hash = (sequence: number) => (sequence === 0 ? "0" : sequence.toString(16)).padStart(64, "0");
const record = (sequence: number): Link => ({
  sequence: BigInt(sequence),
  previousHash: hash(sequence - 1),
  hash: hash(sequence),
});
const records = (...sequences: number[]) => sequences.map(record);

describe("the whole record", () => {
  it("holds where each follows from the one before", () =>
    expect(checkChain(records(1, 2, 3), true)).toEqual({ records: 3, joined: 2, apart: 0, isFromStart: true, broken: [] }));
  it("holds where there is none", () =>
    expect(checkChain([], true)).toEqual({ records: 0, joined: 0, apart: 0, isFromStart: false, broken: [] }));
  it("is broken where one is missing", () =>
    expect(checkChain(records(1, 3), true).broken).toEqual(["between 1 and 3 some are missing"]));
  it("is broken where the beginning is missing", () =>
    expect(checkChain(records(2, 3), true).broken).toEqual(["the record begins with 2 and not with 1"]));
  it("holds where what comes before was not loaded", () =>
    expect(checkChain(records(7, 8), true, false)).toMatchObject({ joined: 1, isFromStart: false, broken: [] }));
  it("is broken where one is missing in what was loaded", () =>
    expect(checkChain(records(7, 9), true, false).broken).toEqual(["between 7 and 9 some are missing"]));
  it("is broken where one was put in place of another", () => {
    const changed = [record(1), { ...record(2), hash: hash(99) }, record(3)];
    expect(checkChain(changed, true)).toMatchObject({ joined: 1, broken: ["3 does not have the hash of 2"] });
  });
  it("is broken where the first follows from another", () => {
    const found = checkChain([{ ...record(1), previousHash: hash(7) }], true);
    expect(found.isFromStart).toBe(false);
    expect(found.broken).toEqual(["1 follows from another, and should be the first"]);
  });
  it("is broken where one comes twice or too early", () => {
    expect(checkChain(records(1, 1), true).broken).toEqual(["1 comes after 1"]);
    expect(checkChain(records(1, 3, 2), true).broken).toContain("2 comes after 3");
  });
  it("is broken where a hash is none", () => expect(checkChain([{ ...record(1), hash: "" }], true).broken).toEqual(["1 has no hash"]));
  it("tells so many breaks and counts the others", () => {
    const odd = Array.from({ length: 50 }, (_, index) => 2 * index + 1);
    const { broken } = checkChain(records(...odd), true);
    expect(broken).toHaveLength(21);
    expect(broken.at(-1)).toBe("and 29 more");
  });
  it("knows sequences that no number of the browser's holds", () => {
    const far = 2n ** 60n;
    const chain = [
      { sequence: far, previousHash: hash(4), hash: hash(5) },
      { sequence: far + 1n, previousHash: hash(5), hash: hash(6) },
    ];
    expect(checkChain(chain, false)).toMatchObject({ joined: 1, broken: [] });
  });
});

describe("entries about one action", () => {
  it("may stand apart, and are then not joined", () =>
    expect(checkChain(records(2, 5, 6, 9), false)).toEqual({ records: 4, joined: 1, apart: 2, isFromStart: false, broken: [] }));
  it("are broken where neighbours do not follow", () =>
    expect(checkChain([record(5), { ...record(6), previousHash: hash(1) }], false).broken).toEqual(["6 does not have the hash of 5"]));
});
