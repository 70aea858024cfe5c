// What a page's heap holds, by kind, so that a page that grows says of what.

/** Takes a snapshot. Gives for each kind of thing how many there are, and their bytes. */
export async function heapByKind(debug) {
  const parts = [];
  const collect = ({ chunk }) => parts.push(chunk);
  debug.on("HeapProfiler.addHeapSnapshotChunk", collect);
  await debug.send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  debug.off("HeapProfiler.addHeapSnapshotChunk", collect);
  const { snapshot, nodes, edges, strings, locations } = JSON.parse(parts.join(""));
  const { node_fields: fields, node_types: types, edge_fields: edgeFields, edge_types: edgeTypes } = snapshot.meta;
  const [type, name, size, edgeCount] = ["type", "name", "self_size", "edge_count"].map((field) => fields.indexOf(field));
  const [edgeType, edgeName, edgeTo] = ["type", "name_or_index", "to_node"].map((field) => edgeFields.indexOf(field));
  // Where functions are written, of which most have no name.
  const places = new Map();
  const placeFields = snapshot.meta.location_fields;
  const [placeOf, line, column] = ["object_index", "line", "column"].map((field) => placeFields.indexOf(field));
  for (let at = 0; at < locations.length; at += placeFields.length) {
    places.set(locations[at + placeOf], `${locations[at + line] + 1}:${locations[at + column] + 1}`);
  }
  const kinds = new Map();
  let edge = 0;
  for (let node = 0; node < nodes.length; node += fields.length) {
    const kindOfNode = types[0][nodes[node + type]];
    let called = strings[nodes[node + name]];
    const end = edge + nodes[node + edgeCount] * edgeFields.length;
    for (; edge < end; edge += edgeFields.length) {
      // Messages of the contracts are plain objects that carry their type's name.
      const isProperty = edgeTypes[0][edges[edge + edgeType]] === "property";
      if (isProperty && strings[edges[edge + edgeName]] === "$typeName") called = strings[nodes[edges[edge + edgeTo] + name]];
    }
    const isText = kindOfNode.endsWith("string") || kindOfNode === "number" || kindOfNode === "bigint";
    const place = kindOfNode === "closure" ? ` at ${places.get(node) ?? "?"}` : "";
    const kind = isText ? kindOfNode : `${kindOfNode} ${called.slice(0, 60)}${place}`;
    const known = kinds.get(kind) ?? { count: 0, bytes: 0 };
    kinds.set(kind, { count: known.count + 1, bytes: known.bytes + nodes[node + size] });
  }
  return kinds;
}

/** What grew most between two snapshots, in words. */
export function whatGrew(before, after, most = 12) {
  const none = { count: 0, bytes: 0 };
  return [...after]
    .map(([kind, now]) => ({ kind, count: now.count - (before.get(kind) ?? none).count, bytes: now.bytes - (before.get(kind) ?? none).bytes }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, most)
    .map(({ kind, count, bytes }) => `${(bytes / 1024).toFixed(0)} KiB more (${count >= 0 ? "+" : ""}${count}): ${kind}`);
}
