-- Version 1 of the store. Times are Unix nanoseconds, those that end in _ms are Unix milliseconds of real time.

-- The event bus.
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    retention_ms INTEGER
) STRICT;
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    number INTEGER NOT NULL,
    -- Stored, so that an offset is never given twice, whatever was removed.
    next_offset INTEGER NOT NULL,
    UNIQUE (topic, number)
) STRICT;
-- The id is the partition's id and the offset in one number: a partition's records lie side by side.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    published_ms INTEGER NOT NULL,
    time INTEGER NOT NULL,
    key BLOB,
    headers BLOB,
    value BLOB NOT NULL
) STRICT;
CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- Grows whenever a member comes or goes.
    generation INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    member_of INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX members_of_group ON members (member_of);
CREATE TABLE subscriptions (
    member INTEGER NOT NULL,
    topic INTEGER NOT NULL,
    PRIMARY KEY (member, topic)
) STRICT, WITHOUT ROWID;
CREATE TABLE assignments (
    member_of INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    member INTEGER NOT NULL,
    -- The group's generation when the partition came to the member.
    generation INTEGER NOT NULL,
    PRIMARY KEY (member_of, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE commits (
    member_of INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (member_of, partition)
) STRICT, WITHOUT ROWID;

-- Leases. A row stays after its lease has ended, so that the next token is greater.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Documents. The id grows in order of creation and is never given twice.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- Place among all writes of all documents.
    written INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (collection, name)
) STRICT;
CREATE INDEX documents_by_creation ON documents (collection, id);
CREATE UNIQUE INDEX documents_by_write ON documents (collection, written);
CREATE TABLE attributes (
    collection TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (collection, name, value, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX attributes_of_document ON attributes (document);
CREATE TABLE writes (
    last INTEGER NOT NULL
) STRICT;
INSERT INTO writes VALUES (0);

-- Telemetry. A record's id is topic, partition, offset and index, most significant byte first.
CREATE TABLE services (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    UNIQUE (namespace, name, environment)
) STRICT;
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    service INTEGER NOT NULL,
    metric TEXT NOT NULL,
    instance TEXT NOT NULL,
    version TEXT NOT NULL,
    -- A JSON object with its keys in order.
    attributes TEXT NOT NULL,
    unit TEXT NOT NULL,
    UNIQUE (service, metric, instance, version, attributes)
) STRICT;
-- A series' points lie side by side in order of time.
CREATE TABLE points (
    series INTEGER NOT NULL,
    time INTEGER NOT NULL,
    record BLOB NOT NULL UNIQUE,
    -- NULL is what is not a number.
    value REAL,
    count INTEGER,
    quantiles BLOB,
    PRIMARY KEY (series, time, record)
) STRICT, WITHOUT ROWID;
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    record BLOB NOT NULL UNIQUE,
    time INTEGER NOT NULL,
    service INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    trace_id BLOB,
    span_id BLOB,
    instance TEXT NOT NULL,
    version TEXT NOT NULL,
    event_name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX logs_by_time ON logs (time, record);
CREATE INDEX logs_by_service ON logs (service, time, record);
CREATE INDEX logs_by_trace ON logs (trace_id, time, record) WHERE trace_id IS NOT NULL;
-- The words of the bodies, cut and folded before they come here; to this tokenizer only the blank between them counts.
CREATE VIRTUAL TABLE log_words USING fts5 (
    words,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'ascii'
);
CREATE TABLE changes (
    time INTEGER NOT NULL,
    record BLOB NOT NULL UNIQUE,
    service INTEGER NOT NULL,
    change TEXT NOT NULL,
    PRIMARY KEY (time, record)
) STRICT, WITHOUT ROWID;
CREATE TABLE calls (
    time INTEGER NOT NULL,
    record BLOB NOT NULL UNIQUE,
    client INTEGER NOT NULL,
    server INTEGER NOT NULL,
    count REAL,
    PRIMARY KEY (time, record)
) STRICT, WITHOUT ROWID;
-- About how much telemetry there is, by minute of event time, and which log records lie in it.
CREATE TABLE volumes (
    minute INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    first_log INTEGER,
    last_log INTEGER
) STRICT;
