-- What LLM-SRE left in its store at commit 989238f, written by
-- services/node/tests/mesh/upgrade/record. Not written by hand, and not to be changed.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
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
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE volumes (
    minute INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL,
    first_log INTEGER,
    last_log INTEGER
) STRICT;
INSERT INTO topics VALUES(1,'metrics',86400000);
INSERT INTO topics VALUES(2,'logs',86400000);
INSERT INTO topics VALUES(3,'traces',86400000);
INSERT INTO topics VALUES(4,'metrics.dlq',NULL);
INSERT INTO topics VALUES(5,'logs.dlq',NULL);
INSERT INTO topics VALUES(6,'traces.dlq',NULL);
INSERT INTO topics VALUES(7,'incidents',2592000000);
INSERT INTO partitions VALUES(1,1,0,700);
INSERT INTO partitions VALUES(2,1,1,280);
INSERT INTO partitions VALUES(3,1,2,980);
INSERT INTO partitions VALUES(4,1,3,420);
INSERT INTO partitions VALUES(5,2,0,700);
INSERT INTO partitions VALUES(6,2,1,280);
INSERT INTO partitions VALUES(7,2,2,980);
INSERT INTO partitions VALUES(8,2,3,420);
INSERT INTO partitions VALUES(9,3,0,1012);
INSERT INTO partitions VALUES(10,3,1,1219);
INSERT INTO partitions VALUES(11,3,2,1082);
INSERT INTO partitions VALUES(12,3,3,908);
INSERT INTO partitions VALUES(13,4,0,0);
INSERT INTO partitions VALUES(14,5,0,0);
INSERT INTO partitions VALUES(15,6,0,0);
INSERT INTO partitions VALUES(16,7,0,15);
INSERT INTO "groups" VALUES(1,'indexer',4);
INSERT INTO "groups" VALUES(2,'detector',4);
INSERT INTO commits VALUES(1,1,700);
INSERT INTO commits VALUES(1,2,280);
INSERT INTO commits VALUES(1,3,980);
INSERT INTO commits VALUES(1,4,420);
INSERT INTO commits VALUES(1,5,700);
INSERT INTO commits VALUES(1,6,280);
INSERT INTO commits VALUES(1,7,980);
INSERT INTO commits VALUES(1,8,420);
INSERT INTO commits VALUES(1,9,1012);
INSERT INTO commits VALUES(1,10,1219);
INSERT INTO commits VALUES(1,11,1082);
INSERT INTO commits VALUES(1,12,908);
INSERT INTO commits VALUES(2,1,700);
INSERT INTO commits VALUES(2,2,280);
INSERT INTO commits VALUES(2,3,980);
INSERT INTO commits VALUES(2,4,420);
INSERT INTO commits VALUES(2,5,700);
INSERT INTO commits VALUES(2,6,280);
INSERT INTO commits VALUES(2,7,980);
INSERT INTO commits VALUES(2,8,420);
INSERT INTO commits VALUES(2,9,1012);
INSERT INTO commits VALUES(2,10,1219);
INSERT INTO commits VALUES(2,11,1082);
INSERT INTO commits VALUES(2,12,908);
INSERT INTO leases VALUES('detector','27566-01a2236cd3df7781a2c9b47b148e5b5e',2,0);
INSERT INTO leases VALUES('remediation/gate','27553-01a2236c75cd7480946869fa6216f8e8',4,0);
INSERT INTO leases VALUES('target/shop/order@demo','27553-01a2236c75cd7480946869fa6216f8e8',3,0);
INSERT INTO documents VALUES(1,'incidents','3bb58551-5712-508b-960c-5eb30f557ecf',36,80,1,'{"fingerprint":"37066a213849d3c526d67ea419b6c9e8","living":"no","pending":"no","request":"","service":"order","state":"STATE_RESOLVED","unpublished":"no"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","anomalies":[{"detectTime":"2026-11-28T18:47:21.879021278+00:00","dimension":"system.filesystem.mountpoint=/var/data","direction":"DIRECTION_UP","expected":0.349609375,"id":"28978b743d0852f5bd7771056f1b6428","lastSeenTime":"2026-11-28T18:47:41.879021278+00:00","metric":"system.filesystem.utilization","observed":0.6501564363985126,"onsetTime":"2026-11-28T18:46:41.879+00:00","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"requestsPerSecond":6.802083333333333,"score":17.19330711903928,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_SATURATION","unit":"1"},{"detectTime":"2026-11-28T18:50:31.879021278+00:00","direction":"DIRECTION_UP","expected":1.0,"id":"14a19232b5b552538d84163fb8c17597","lastSeenTime":"2026-11-28T18:50:31.879021278+00:00","metric":"error_budget.burn_rate","observed":6.042560644539797,"onsetTime":"2026-11-28T18:50:00+00:00","origin":{},"score":1.0070934407566328,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_BUDGET_BURN"},{"detectTime":"2026-11-28T18:50:40+00:00","direction":"DIRECTION_UP","id":"bfaef5868bad5e24862d97d43d6d4dde","lastSeenTime":"2026-11-28T18:50:40+00:00","metric":"logs.errors","observed":15.0,"onsetTime":"2026-11-28T18:50:00+00:00","origin":{},"requestsPerSecond":28.375,"score":12.0,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_LOG_BURST","unit":"{record}"},{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"ef5af6b1007f51f8841684cbe452ac5d","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.578125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{"instance":"order-b2d4529f1a"},"requestsPerSecond":9.46875,"score":55.282778213565834,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"},{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"f7f3eed2c280590895770d94f3513a17","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.23486328125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{},"requestsPerSecond":26.375,"score":55.08950372072197,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"}],"appliedEventIds":["incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc/1","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc/2","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09/ACTION_PROPOSED/511b7fe349dc","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c/1","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c/2","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02/1","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02/2","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09/ACTION_REJECTED","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1/ACTION_PROPOSED/09e320d9bf02","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1/ACTION_STARTED","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1/ACTION_SUCCEEDED","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1/VERIFIED"],"attempts":1,"calls":7,"createTime":"2026-11-28T18:47:53.390683258+00:00","detectTime":"2026-11-28T18:47:21.879021278+00:00","diagnosis":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","endTime":"2026-11-28T18:54:08.085640438+00:00","fingerprint":"37066a213849d3c526d67ea419b6c9e8","lastNotification":{"time":"2026-11-28T18:50:42.689205778+00:00","urgent":true},"name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf","onsetTime":"2026-11-28T18:46:41.879+00:00","opened_unix_nano":1795890657551299132,"resolution":{"actor":"remediation","reason":"RESOLUTION_REASON_MEASURED","time":"2026-11-28T18:54:08.085640438+00:00"},"service":{"environment":"demo","name":"order","namespace":"shop"},"severity":"SEVERITY_SEV3","signal":"SIGNAL_SATURATION","state":"STATE_RESOLVED","steps":15,"timeline":[{"actor":"llm-sre","message":"opened: shop/order@demo: system.filesystem.utilization up to 65 % (usually 35 %)","state":"STATE_OPEN","time":"2026-11-28T18:47:53.390683258+00:00"},{"actor":"diagnosis","message":"diagnosis started","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc","state":"STATE_DIAGNOSING","time":"2026-11-28T18:47:55.886585578+00:00"},{"actor":"diagnosis","message":"diagnosis finished","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc","state":"STATE_DIAGNOSING","time":"2026-11-28T18:47:56.433037258+00:00"},{"actor":"remediation","message":"waits for approval: clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 50 % sure","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","state":"STATE_AWAITING_APPROVAL","time":"2026-11-28T18:47:58.339253698+00:00"},{"actor":"llm-sre","message":"severity rose to SEV3","state":"STATE_AWAITING_APPROVAL","time":"2026-11-28T18:50:42.689205778+00:00"},{"actor":"llm-sre","message":"a signal of another kind came in; it is explained again","state":"STATE_AWAITING_APPROVAL","time":"2026-11-28T18:50:42.689205778+00:00"},{"actor":"llm-sre","message":"a signal of another kind came in; it is explained again","state":"STATE_AWAITING_APPROVAL","time":"2026-11-28T18:50:42.689205778+00:00"},{"actor":"diagnosis","message":"diagnosis started again","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c","state":"STATE_AWAITING_APPROVAL","time":"2026-11-28T18:50:48.019912738+00:00"},{"actor":"diagnosis","message":"diagnosis finished","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c","state":"STATE_DIAGNOSING","time":"2026-11-28T18:50:48.774375478+00:00"},{"actor":"diagnosis","message":"diagnosis started again","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","state":"STATE_DIAGNOSING","time":"2026-11-28T18:50:49.501336618+00:00"},{"actor":"diagnosis","message":"diagnosis finished","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","state":"STATE_DIAGNOSING","time":"2026-11-28T18:50:49.921548598+00:00"},{"actor":"remediation","message":"policy lets it go ahead: clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 95 % sure","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","state":"STATE_REMEDIATING","time":"2026-11-28T18:50:51.877855738+00:00"},{"actor":"remediation","message":"execution started","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","state":"STATE_REMEDIATING","time":"2026-11-28T18:50:58.840858018+00:00"},{"actor":"remediation","message":"the target says that it is done; recovery is being measured","resource":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","state":"STATE_VERIFYING","time":"2026-11-28T18:51:19.303910578+00:00"},{"actor":"remediation","message":"recovered, as measured","state":"STATE_RESOLVED","time":"2026-11-28T18:54:08.085640438+00:00"}],"title":"shop/order@demo: system.filesystem.utilization up to 65 % (usually 35 %)","updateTime":"2026-11-28T18:54:08.085640438+00:00"}');
INSERT INTO documents VALUES(2,'diagnoses','3bb58551-5712-508b-960c-5eb30f557ecf/ea43adc5-d65d-5cd6-845c-511b7fe349dc',3,8,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","progress":"ended"}','{"calls":[{"client":{"environment":"demo","name":"account","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.517299449+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.248589884+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:35.877265348+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:36.235337746+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:37.742303861+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:35.842444599+00:00","server":{"environment":"demo","name":"review","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.525115994+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.262327716+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.504059318+00:00","server":{"environment":"demo","name":"order","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.342415490+00:00","server":{"environment":"demo","name":"payment","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.374694468+00:00","server":{"environment":"demo","name":"shipping","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.460560697+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.473949245+00:00","server":{"environment":"demo","name":"notification","namespace":"shop"}},{"client":{"environment":"demo","name":"payment","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.324243121+00:00","server":{"environment":"demo","name":"fraud","namespace":"shop"}},{"client":{"environment":"demo","name":"pricing","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:35.802108670+00:00","server":{"environment":"demo","name":"currency","namespace":"shop"}},{"client":{"environment":"demo","name":"recommendation","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:15.546759782+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"search","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:39.163542726+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.186477632+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:35.881840467+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:37.749032248+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:34.547537390+00:00","server":{"environment":"demo","name":"checkout","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:22.433980899+00:00","server":{"environment":"demo","name":"recommendation","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:47:39.181788220+00:00","server":{"environment":"demo","name":"search","namespace":"shop"}}],"confidence":0.5,"createTime":"2026-11-28T18:47:54.234241438+00:00","endTime":"2026-11-28T18:47:56.084619118+00:00","evidence":[{"anomaly":{"detectTime":"2026-11-28T18:47:21.879021278+00:00","dimension":"system.filesystem.mountpoint=/var/data","direction":"DIRECTION_UP","expected":0.349609375,"id":"28978b743d0852f5bd7771056f1b6428","lastSeenTime":"2026-11-28T18:47:41.879021278+00:00","metric":"system.filesystem.utilization","observed":0.6501564363985126,"onsetTime":"2026-11-28T18:46:41.879+00:00","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"requestsPerSecond":6.802083333333333,"score":17.19330711903928,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_SATURATION","unit":"1"},"id":"a-28978b743d0852f5bd7771056f1b6428","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"system.filesystem.utilization system.filesystem.mountpoint=/var/data of order-b2d4529f1a reached 0.6502 1, usually 0.3496 1","time":"2026-11-28T18:46:41.879+00:00"}],"evidenceTime":"2026-11-28T18:47:41.879021278+00:00","hypotheses":[{"cause":"CAUSE_KIND_DISK_FULL","confidence":0.5,"id":"h1","immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","metric":"system.filesystem.utilization","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"service":{"environment":"demo","name":"order","namespace":"shop"},"statement":"shop/order@demo: a disk is fuller than usual","supportingEvidence":["a-28978b743d0852f5bd7771056f1b6428"]}],"immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc","ordinal":1,"rootCause":"shop/order@demo: a disk is fuller than usual","state":"DIAGNOSIS_STATE_SUCCEEDED"}');
INSERT INTO documents VALUES(3,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/diagnose/ea43adc5-d65d-5cd6-845c-511b7fe349dc',1,7,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"diagnosis"}','{"attributes":[["llm_sre.diagnosis","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc"],["llm_sre.diagnosis.state","DIAGNOSIS_STATE_SUCCEEDED"],["llm_sre.diagnosis.confidence","0.50"]],"end_unix_nano":1795890657601394808,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"diagnose/ea43adc5-d65d-5cd6-845c-511b7fe349dc","name":"diagnose","start_unix_nano":1795890657568401261}');
INSERT INTO documents VALUES(4,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/incident',1,12,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"detector"}','{"attributes":[["llm_sre.incident","incidents/3bb58551-5712-508b-960c-5eb30f557ecf"],["llm_sre.incident.title","shop/order@demo: system.filesystem.utilization up to 65 % (usually 35 %)"],["llm_sre.incident.severity","SEV5"],["service.peer.name","shop/order@demo"],["llm_sre.incident.opened_by","llm-sre"]],"end_unix_nano":1795890657614690599,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"incident","name":"detect","start_unix_nano":1795890657551299132}');
INSERT INTO documents VALUES(5,'actions','8644295d-5efe-595e-b2e0-654fc13e8e09',4,45,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","living":"no","pending":"no","state":"ACTION_STATE_CANCELLED"}','{"attempt":1,"autonomy":"AUTONOMY_AUTO","blastRadius":"BLAST_RADIUS_INSTANCE","cause":"CAUSE_KIND_DISK_FULL","confidence":0.5,"createTime":"2026-11-28T18:47:58.058430478+00:00","diagnosis":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc","digest":"5e153804ebbaa2172bbf10d78f64b5e150b396bb4fce140c1b8edc2c8f476e45","endTime":"2026-11-28T18:50:50.516013478+00:00","entered_unix_nano":1795890660503411603,"fingerprint":"37066a213849d3c526d67ea419b6c9e8","hypothesis":"h1","is_holding":false,"is_seen":false,"is_undo_called":false,"is_undo_seen":false,"name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","outcome":"the incident went on without it","rationale":"clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 50 % sure","replan":false,"reversibility":"REVERSIBILITY_NOTHING_TO_UNDO","spec":{"parameters":{"instance":"order-b2d4529f1a"},"target":{"environment":"demo","name":"order","namespace":"shop"},"type":"clear_disk"},"state":"ACTION_STATE_CANCELLED","steps":2,"targetState":{"instances":"3","pool_size":"10","previous_version":"1.14.2","reclaimable_bytes":"2900614675","version":"1.14.3"},"updateTime":"2026-11-28T18:50:50.516013478+00:00","verification":{"deadlineDuration":"600s","measureDuration":"120s","settleDuration":"30s"}}');
INSERT INTO documents VALUES(6,'action_requests','3bb58551-5712-508b-960c-5eb30f557ecf/incidents/3bb58551-5712-508b-960c-5eb30f557ecf/plan/2',1,15,1,'{}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09"}');
INSERT INTO documents VALUES(7,'audit','00000000000000000001',1,16,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","key":"8644295d-5efe-595e-b2e0-654fc13e8e09/1"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","actor":"llm-sre","detail":"clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 50 % sure","hash":"48bbf7d0087572a451e95d7574f5bbc18da04c422de7da7935c66f3713075261","previousHash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","step":"planned: awaitingapproval","time":"2026-11-28T18:47:58.059254038+00:00"}');
INSERT INTO documents VALUES(8,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/propose/8644295d-5efe-595e-b2e0-654fc13e8e09',1,17,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_AWAITING_APPROVAL"],["llm_sre.diagnosis","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/ea43adc5-d65d-5cd6-845c-511b7fe349dc"]],"end_unix_nano":1795890657629116861,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"propose/8644295d-5efe-595e-b2e0-654fc13e8e09","name":"propose","start_unix_nano":1795890657619484228}');
INSERT INTO documents VALUES(9,'diagnoses','3bb58551-5712-508b-960c-5eb30f557ecf/895d2585-f796-534a-8ab6-10e240c9a60c',3,29,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","progress":"ended"}','{"calls":[{"client":{"environment":"demo","name":"account","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.336827784+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.082998801+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.281465820+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.177183598+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.243715608+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.266673589+00:00","server":{"environment":"demo","name":"review","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.340405495+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.087610407+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.327704479+00:00","server":{"environment":"demo","name":"order","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.218782437+00:00","server":{"environment":"demo","name":"payment","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.240858363+00:00","server":{"environment":"demo","name":"shipping","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.287270973+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.300069921+00:00","server":{"environment":"demo","name":"notification","namespace":"shop"}},{"client":{"environment":"demo","name":"payment","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.183506856+00:00","server":{"environment":"demo","name":"fraud","namespace":"shop"}},{"client":{"environment":"demo","name":"pricing","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.650012419+00:00","server":{"environment":"demo","name":"currency","namespace":"shop"}},{"client":{"environment":"demo","name":"recommendation","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.679038063+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"search","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.280125918+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:14.783318501+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.294179777+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.260152155+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.359453034+00:00","server":{"environment":"demo","name":"checkout","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.693484967+00:00","server":{"environment":"demo","name":"recommendation","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.289792863+00:00","server":{"environment":"demo","name":"search","namespace":"shop"}}],"confidence":0.95,"createTime":"2026-11-28T18:50:45.553177678+00:00","endTime":"2026-11-28T18:50:48.211386178+00:00","evidence":[{"anomaly":{"detectTime":"2026-11-28T18:47:21.879021278+00:00","dimension":"system.filesystem.mountpoint=/var/data","direction":"DIRECTION_UP","expected":0.349609375,"id":"28978b743d0852f5bd7771056f1b6428","lastSeenTime":"2026-11-28T18:47:41.879021278+00:00","metric":"system.filesystem.utilization","observed":0.6501564363985126,"onsetTime":"2026-11-28T18:46:41.879+00:00","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"requestsPerSecond":6.802083333333333,"score":17.19330711903928,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_SATURATION","unit":"1"},"id":"anomaly-28978b743d0852f5bd7771056f1b6428","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"system.filesystem.utilization system.filesystem.mountpoint=/var/data of order-b2d4529f1a reached 0.6502 1, usually 0.3496 1","time":"2026-11-28T18:46:41.879+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:31.879021278+00:00","direction":"DIRECTION_UP","expected":1.0,"id":"14a19232b5b552538d84163fb8c17597","lastSeenTime":"2026-11-28T18:50:31.879021278+00:00","metric":"error_budget.burn_rate","observed":6.042560644539797,"onsetTime":"2026-11-28T18:50:00+00:00","origin":{},"score":1.0070934407566328,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_BUDGET_BURN"},"id":"anomaly-14a19232b5b552538d84163fb8c17597","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"error_budget.burn_rate reached 6.0426, usually 1.0000","time":"2026-11-28T18:50:00+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"ef5af6b1007f51f8841684cbe452ac5d","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.578125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{"instance":"order-b2d4529f1a"},"requestsPerSecond":9.46875,"score":55.282778213565834,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"},"id":"anomaly-ef5af6b1007f51f8841684cbe452ac5d","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"requests.error_ratio of order-b2d4529f1a reached 0.5781 1, usually 0.0000 1","time":"2026-11-28T18:50:10+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"f7f3eed2c280590895770d94f3513a17","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.23486328125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{},"requestsPerSecond":26.375,"score":55.08950372072197,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"},"id":"anomaly-f7f3eed2c280590895770d94f3513a17","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"requests.error_ratio reached 0.2349 1, usually 0.0000 1","time":"2026-11-28T18:50:10+00:00"}],"evidenceTime":"2026-11-28T18:50:31.879021278+00:00","gaps":[{"reason":"the diagnosis was asked for without the detector''s snapshot","subject":"log templates"}],"hypotheses":[{"cause":"CAUSE_KIND_DISK_FULL","confidence":0.95,"id":"h1","immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","metric":"system.filesystem.utilization","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"service":{"environment":"demo","name":"order","namespace":"shop"},"statement":"shop/order@demo: a disk is fuller than usual","supportingEvidence":["anomaly-28978b743d0852f5bd7771056f1b6428","anomaly-14a19232b5b552538d84163fb8c17597","anomaly-ef5af6b1007f51f8841684cbe452ac5d","anomaly-f7f3eed2c280590895770d94f3513a17"]}],"immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c","ordinal":2,"rootCause":"shop/order@demo: a disk is fuller than usual","state":"DIAGNOSIS_STATE_SUCCEEDED"}');
INSERT INTO documents VALUES(10,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/diagnose/895d2585-f796-534a-8ab6-10e240c9a60c',1,27,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"diagnosis"}','{"attributes":[["llm_sre.diagnosis","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/895d2585-f796-534a-8ab6-10e240c9a60c"],["llm_sre.diagnosis.state","DIAGNOSIS_STATE_SUCCEEDED"],["llm_sre.diagnosis.confidence","0.95"]],"end_unix_nano":1795890660472990299,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"diagnose/895d2585-f796-534a-8ab6-10e240c9a60c","name":"diagnose","start_unix_nano":1795890660444207368}');
INSERT INTO documents VALUES(11,'diagnoses','3bb58551-5712-508b-960c-5eb30f557ecf/b611d11c-2a6a-59f3-bfb7-09e320d9bf02',3,38,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","progress":"ended"}','{"calls":[{"client":{"environment":"demo","name":"account","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.336827784+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.082998801+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"cart","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.281465820+00:00","server":{"environment":"demo","name":"session","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.177183598+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.243715608+00:00","server":{"environment":"demo","name":"pricing","namespace":"shop"}},{"client":{"environment":"demo","name":"catalog","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.266673589+00:00","server":{"environment":"demo","name":"review","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.340405495+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.087610407+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.327704479+00:00","server":{"environment":"demo","name":"order","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.218782437+00:00","server":{"environment":"demo","name":"payment","namespace":"shop"}},{"client":{"environment":"demo","name":"checkout","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.240858363+00:00","server":{"environment":"demo","name":"shipping","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.287270973+00:00","server":{"environment":"demo","name":"inventory","namespace":"shop"}},{"client":{"environment":"demo","name":"order","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.300069921+00:00","server":{"environment":"demo","name":"notification","namespace":"shop"}},{"client":{"environment":"demo","name":"payment","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.183506856+00:00","server":{"environment":"demo","name":"fraud","namespace":"shop"}},{"client":{"environment":"demo","name":"pricing","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.650012419+00:00","server":{"environment":"demo","name":"currency","namespace":"shop"}},{"client":{"environment":"demo","name":"recommendation","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.679038063+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"search","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.280125918+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:14.783318501+00:00","server":{"environment":"demo","name":"account","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.294179777+00:00","server":{"environment":"demo","name":"cart","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:29.260152155+00:00","server":{"environment":"demo","name":"catalog","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:18.359453034+00:00","server":{"environment":"demo","name":"checkout","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:26.693484967+00:00","server":{"environment":"demo","name":"recommendation","namespace":"shop"}},{"client":{"environment":"demo","name":"storefront","namespace":"shop"},"lastSeenTime":"2026-11-28T18:50:27.289792863+00:00","server":{"environment":"demo","name":"search","namespace":"shop"}}],"confidence":0.95,"createTime":"2026-11-28T18:50:49.383715258+00:00","endTime":"2026-11-28T18:50:49.752083578+00:00","evidence":[{"anomaly":{"detectTime":"2026-11-28T18:47:21.879021278+00:00","dimension":"system.filesystem.mountpoint=/var/data","direction":"DIRECTION_UP","expected":0.349609375,"id":"28978b743d0852f5bd7771056f1b6428","lastSeenTime":"2026-11-28T18:47:41.879021278+00:00","metric":"system.filesystem.utilization","observed":0.6501564363985126,"onsetTime":"2026-11-28T18:46:41.879+00:00","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"requestsPerSecond":6.802083333333333,"score":17.19330711903928,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_SATURATION","unit":"1"},"id":"anomaly-28978b743d0852f5bd7771056f1b6428","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"system.filesystem.utilization system.filesystem.mountpoint=/var/data of order-b2d4529f1a reached 0.6502 1, usually 0.3496 1","time":"2026-11-28T18:46:41.879+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:31.879021278+00:00","direction":"DIRECTION_UP","expected":1.0,"id":"14a19232b5b552538d84163fb8c17597","lastSeenTime":"2026-11-28T18:50:31.879021278+00:00","metric":"error_budget.burn_rate","observed":6.042560644539797,"onsetTime":"2026-11-28T18:50:00+00:00","origin":{},"score":1.0070934407566328,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_BUDGET_BURN"},"id":"anomaly-14a19232b5b552538d84163fb8c17597","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"error_budget.burn_rate reached 6.0426, usually 1.0000","time":"2026-11-28T18:50:00+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"ef5af6b1007f51f8841684cbe452ac5d","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.578125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{"instance":"order-b2d4529f1a"},"requestsPerSecond":9.46875,"score":55.282778213565834,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"},"id":"anomaly-ef5af6b1007f51f8841684cbe452ac5d","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"requests.error_ratio of order-b2d4529f1a reached 0.5781 1, usually 0.0000 1","time":"2026-11-28T18:50:10+00:00"},{"anomaly":{"detectTime":"2026-11-28T18:50:30+00:00","direction":"DIRECTION_UP","id":"f7f3eed2c280590895770d94f3513a17","lastSeenTime":"2026-11-28T18:50:30+00:00","metric":"requests.error_ratio","observed":0.23486328125,"onsetTime":"2026-11-28T18:50:10+00:00","origin":{},"requestsPerSecond":26.375,"score":55.08950372072197,"service":{"environment":"demo","name":"order","namespace":"shop"},"signal":"SIGNAL_ERRORS","unit":"1"},"id":"anomaly-f7f3eed2c280590895770d94f3513a17","service":{"environment":"demo","name":"order","namespace":"shop"},"summary":"requests.error_ratio reached 0.2349 1, usually 0.0000 1","time":"2026-11-28T18:50:10+00:00"}],"evidenceTime":"2026-11-28T18:50:31.879021278+00:00","gaps":[{"reason":"the diagnosis was asked for without the detector''s snapshot","subject":"log templates"}],"hypotheses":[{"cause":"CAUSE_KIND_DISK_FULL","confidence":0.95,"id":"h1","immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","metric":"system.filesystem.utilization","origin":{"instance":"order-b2d4529f1a","version":"1.14.3"},"service":{"environment":"demo","name":"order","namespace":"shop"},"statement":"shop/order@demo: a disk is fuller than usual","supportingEvidence":["anomaly-28978b743d0852f5bd7771056f1b6428","anomaly-14a19232b5b552538d84163fb8c17597","anomaly-ef5af6b1007f51f8841684cbe452ac5d","anomaly-f7f3eed2c280590895770d94f3513a17"]}],"immediateFix":"Remove what can be made again: caches and temporary files.","longTermFix":"Bound what is kept on the disk, and alert on how soon it will be full.","name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","ordinal":3,"rootCause":"shop/order@demo: a disk is fuller than usual","state":"DIAGNOSIS_STATE_SUCCEEDED"}');
INSERT INTO documents VALUES(12,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/diagnose/b611d11c-2a6a-59f3-bfb7-09e320d9bf02',1,37,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"diagnosis"}','{"attributes":[["llm_sre.diagnosis","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02"],["llm_sre.diagnosis.state","DIAGNOSIS_STATE_SUCCEEDED"],["llm_sre.diagnosis.confidence","0.95"]],"end_unix_nano":1795890660492948093,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"diagnose/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","name":"diagnose","start_unix_nano":1795890660485954168}');
INSERT INTO documents VALUES(13,'audit','00000000000000000002',1,42,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","key":"8644295d-5efe-595e-b2e0-654fc13e8e09/2"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09","actor":"unauthenticated:local","detail":"the incident went on without it","hash":"cf219a517c2c4b31a02215387bdea3a9f14a512b1407bd3550fe5215f9e886f9","previousHash":"48bbf7d0087572a451e95d7574f5bbc18da04c422de7da7935c66f3713075261","sequence":"2","step":"cancelled","time":"2026-11-28T18:50:50.516013478+00:00"}');
INSERT INTO documents VALUES(14,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/approve/8644295d-5efe-595e-b2e0-654fc13e8e09',1,43,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_CANCELLED"]],"end_unix_nano":1795890660503410481,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"approve/8644295d-5efe-595e-b2e0-654fc13e8e09","name":"approve","start_unix_nano":1795890657629088998}');
INSERT INTO documents VALUES(15,'actions','fc3e5192-d118-5d56-8aa0-070984570ce1',12,77,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","living":"no","pending":"no","state":"ACTION_STATE_SUCCEEDED"}','{"attempt":1,"autonomy":"AUTONOMY_AUTO","blastRadius":"BLAST_RADIUS_INSTANCE","cause":"CAUSE_KIND_DISK_FULL","confidence":0.95,"createTime":"2026-11-28T18:50:51.550804618+00:00","diagnosis":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02","digest":"7731b71d610ee0d8343a7a11331967a14481ca600486194b1641b4e6a5eaf077","endTime":"2026-11-28T18:54:07.643254138+00:00","entered_unix_nano":1795890663788911500,"executeTime":"2026-11-28T18:50:58.605374878+00:00","fencingToken":"1","fingerprint":"37066a213849d3c526d67ea419b6c9e8","hypothesis":"h1","is_holding":false,"is_seen":true,"is_undo_called":false,"is_undo_seen":false,"name":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","outcome":"recovered, as measured","rationale":"clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 95 % sure","recovery":{"measuredTime":"2026-11-28T18:53:50+00:00","readTime":"2026-11-28T18:53:51.879021278+00:00","reason":"all 5 signals are within their usual ranges","signals":[{"anomaly":"28978b743d0852f5bd7771056f1b6428","expected":0.349609375,"samples":14,"value":0.349609375,"verdict":"RECOVERY_VERDICT_RECOVERED"},{"anomaly":"14a19232b5b552538d84163fb8c17597","samples":13,"verdict":"RECOVERY_VERDICT_RECOVERED"},{"anomaly":"bfaef5868bad5e24862d97d43d6d4dde","samples":13,"verdict":"RECOVERY_VERDICT_RECOVERED"},{"anomaly":"ef5af6b1007f51f8841684cbe452ac5d","samples":13,"verdict":"RECOVERY_VERDICT_RECOVERED"},{"anomaly":"f7f3eed2c280590895770d94f3513a17","samples":13,"verdict":"RECOVERY_VERDICT_RECOVERED"}],"verdict":"RECOVERY_VERDICT_RECOVERED","wellSinceTime":"2026-11-28T18:51:45.445772878+00:00"},"replan":false,"reversibility":"REVERSIBILITY_NOTHING_TO_UNDO","spec":{"parameters":{"instance":"order-b2d4529f1a"},"target":{"environment":"demo","name":"order","namespace":"shop"},"type":"clear_disk"},"state":"ACTION_STATE_SUCCEEDED","steps":4,"targetState":{"instances":"3","pool_size":"10","previous_version":"1.14.2","reclaimable_bytes":"5583457484","version":"1.14.3"},"updateTime":"2026-11-28T18:54:07.643254138+00:00","verification":{"deadlineDuration":"600s","measureDuration":"120s","settleDuration":"30s"}}');
INSERT INTO documents VALUES(16,'action_requests','3bb58551-5712-508b-960c-5eb30f557ecf/incidents/3bb58551-5712-508b-960c-5eb30f557ecf/plan/5',1,48,1,'{}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1"}');
INSERT INTO documents VALUES(17,'audit','00000000000000000003',1,49,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","key":"fc3e5192-d118-5d56-8aa0-070984570ce1/1"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","actor":"llm-sre","detail":"clear the disk of shop/order@demo (instance=order-b2d4529f1a), for DiskFull is 95 % sure","hash":"e99159582b687340ecbd04e6242881c13c39598ba2a0b059a946d0971d33c5f4","previousHash":"cf219a517c2c4b31a02215387bdea3a9f14a512b1407bd3550fe5215f9e886f9","sequence":"3","step":"planned: approved","time":"2026-11-28T18:50:51.551635978+00:00"}');
INSERT INTO documents VALUES(18,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/propose/fc3e5192-d118-5d56-8aa0-070984570ce1',1,50,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_APPROVED"],["llm_sre.diagnosis","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/diagnoses/b611d11c-2a6a-59f3-bfb7-09e320d9bf02"]],"end_unix_nano":1795890660520645970,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"propose/fc3e5192-d118-5d56-8aa0-070984570ce1","name":"propose","start_unix_nano":1795890660510936293}');
INSERT INTO documents VALUES(19,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/approve/fc3e5192-d118-5d56-8aa0-070984570ce1',1,51,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_APPROVED"],["llm_sre.action.decided_by","policy"]],"end_unix_nano":1795890660520652212,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"approve/fc3e5192-d118-5d56-8aa0-070984570ce1","name":"approve","start_unix_nano":1795890660520649707}');
INSERT INTO documents VALUES(20,'audit','00000000000000000004',1,59,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","key":"fc3e5192-d118-5d56-8aa0-070984570ce1/2"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","actor":"llm-sre","detail":"clear_disk on shop/order@demo, fencing token 1","hash":"6c7d2bbf71074428eda8aa85cd2ac1438e14b2876cf4135f06f5330406ef8cc8","previousHash":"e99159582b687340ecbd04e6242881c13c39598ba2a0b059a946d0971d33c5f4","sequence":"4","step":"execute","time":"2026-11-28T18:50:58.605374878+00:00"}');
INSERT INTO documents VALUES(21,'audit','00000000000000000005',1,65,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","key":"fc3e5192-d118-5d56-8aa0-070984570ce1/3"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","actor":"llm-sre","detail":"the target says that it is done","hash":"82cd8d5ea476cb6fa8d7898e96b9c6bcc4a4dffdd6932cc3c75d6ef33f66a371","previousHash":"6c7d2bbf71074428eda8aa85cd2ac1438e14b2876cf4135f06f5330406ef8cc8","sequence":"5","step":"executed","time":"2026-11-28T18:51:15.445772878+00:00"}');
INSERT INTO documents VALUES(22,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/execute/fc3e5192-d118-5d56-8aa0-070984570ce1',1,66,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_VERIFYING"]],"end_unix_nano":1795890660918921600,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"execute/fc3e5192-d118-5d56-8aa0-070984570ce1","name":"execute","start_unix_nano":1795890660520628217}');
INSERT INTO documents VALUES(23,'audit','00000000000000000006',1,74,1,'{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","key":"fc3e5192-d118-5d56-8aa0-070984570ce1/4"}','{"action":"incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1","actor":"llm-sre","detail":"Recovered","hash":"250f60ca0ad18a1171f4c1575ebd85ae03d9323b907c85c2a2672d83bdb0077b","previousHash":"82cd8d5ea476cb6fa8d7898e96b9c6bcc4a4dffdd6932cc3c75d6ef33f66a371","sequence":"6","step":"verified","time":"2026-11-28T18:54:07.643254138+00:00"}');
INSERT INTO documents VALUES(24,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/verify/fc3e5192-d118-5d56-8aa0-070984570ce1',1,75,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"remediation"}','{"attributes":[["llm_sre.action","incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1"],["llm_sre.action.type","clear_disk"],["llm_sre.action.target","shop/order@demo"],["llm_sre.action.state","ACTION_STATE_SUCCEEDED"]],"end_unix_nano":1795890663788909697,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"verify/fc3e5192-d118-5d56-8aa0-070984570ce1","name":"verify","start_unix_nano":1795890660918923323}');
INSERT INTO documents VALUES(25,'stages','3bb58551-5712-508b-960c-5eb30f557ecf/close/7',1,78,1,'{"incident":"3bb58551-5712-508b-960c-5eb30f557ecf","pending":"no","service":"detector"}','{"attributes":[["llm_sre.incident","incidents/3bb58551-5712-508b-960c-5eb30f557ecf"],["llm_sre.incident.title","shop/order@demo: system.filesystem.utilization up to 65 % (usually 35 %)"],["llm_sre.incident.severity","SEV3"],["service.peer.name","shop/order@demo"],["llm_sre.incident.state","STATE_RESOLVED"],["llm_sre.incident.ended_by","remediation"]],"end_unix_nano":1795890663799312864,"error":"","incident":"3bb58551-5712-508b-960c-5eb30f557ecf","key":"close/7","name":"close","start_unix_nano":1795890663796263616}');
INSERT INTO documents VALUES(26,'freezes','9e64513f-687d-5ab2-83b6-18f9ade6d1c1',2,83,1,'{"open":"yes","owes":"no"}','{"actor":"unauthenticated:local","asked":{"duration":"7200s","note":"before the upgrade","requestId":"01a2236c-d45e-70b4-b2c6-84b3750069bd","services":["shop/*@demo"]},"createTime":"2026-11-28T18:31:04.602318485+00:00","endTime":"2026-11-28T20:31:04.602318485+00:00","is_closed":false,"name":"freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1","note":"before the upgrade","services":["shop/*@demo"],"steps":1}');
INSERT INTO documents VALUES(27,'audit','00000000000000000007',1,82,1,'{"action":"freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1","key":"freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1/1"}','{"actor":"unauthenticated:local","detail":"shop/*@demo until 1795897864.602s: before the upgrade","hash":"a2a9cb904ecaba3157414a0370c2afd9b52e5517a4cbdf5e3c8544cc6ea866c0","hold":"freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1","previousHash":"250f60ca0ad18a1171f4c1575ebd85ae03d9323b907c85c2a2672d83bdb0077b","sequence":"7","step":"frozen","time":"2026-11-28T18:31:04.602318485+00:00"}');
INSERT INTO documents VALUES(28,'kill_switch','killSwitch',2,86,1,'{"open":"yes","owes":"no"}','{"actor":"unauthenticated:local","engaged":true,"is_closed":false,"note":"before the upgrade","steps":1,"updateTime":"2026-11-28T18:31:04.710115810+00:00"}');
INSERT INTO documents VALUES(29,'audit','00000000000000000008',1,85,1,'{"action":"killSwitch","key":"killSwitch/1"}','{"actor":"unauthenticated:local","detail":"before the upgrade","hash":"11d847d72f7d06234477b363290f81c251ee3f13ee832c4a8b463ac08fccbd71","hold":"killSwitch","previousHash":"a2a9cb904ecaba3157414a0370c2afd9b52e5517a4cbdf5e3c8544cc6ea866c0","sequence":"8","step":"engaged","time":"2026-11-28T18:31:04.710115810+00:00"}');
INSERT INTO attributes VALUES('incidents','fingerprint','37066a213849d3c526d67ea419b6c9e8',1);
INSERT INTO attributes VALUES('incidents','living','no',1);
INSERT INTO attributes VALUES('incidents','pending','no',1);
INSERT INTO attributes VALUES('incidents','request','',1);
INSERT INTO attributes VALUES('incidents','service','order',1);
INSERT INTO attributes VALUES('incidents','state','STATE_RESOLVED',1);
INSERT INTO attributes VALUES('incidents','unpublished','no',1);
INSERT INTO attributes VALUES('diagnoses','incident','3bb58551-5712-508b-960c-5eb30f557ecf',2);
INSERT INTO attributes VALUES('diagnoses','progress','ended',2);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',3);
INSERT INTO attributes VALUES('stages','pending','no',3);
INSERT INTO attributes VALUES('stages','service','diagnosis',3);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',4);
INSERT INTO attributes VALUES('stages','pending','no',4);
INSERT INTO attributes VALUES('stages','service','detector',4);
INSERT INTO attributes VALUES('actions','incident','3bb58551-5712-508b-960c-5eb30f557ecf',5);
INSERT INTO attributes VALUES('actions','living','no',5);
INSERT INTO attributes VALUES('actions','pending','no',5);
INSERT INTO attributes VALUES('actions','state','ACTION_STATE_CANCELLED',5);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09',7);
INSERT INTO attributes VALUES('audit','key','8644295d-5efe-595e-b2e0-654fc13e8e09/1',7);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',8);
INSERT INTO attributes VALUES('stages','pending','no',8);
INSERT INTO attributes VALUES('stages','service','remediation',8);
INSERT INTO attributes VALUES('diagnoses','incident','3bb58551-5712-508b-960c-5eb30f557ecf',9);
INSERT INTO attributes VALUES('diagnoses','progress','ended',9);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',10);
INSERT INTO attributes VALUES('stages','pending','no',10);
INSERT INTO attributes VALUES('stages','service','diagnosis',10);
INSERT INTO attributes VALUES('diagnoses','incident','3bb58551-5712-508b-960c-5eb30f557ecf',11);
INSERT INTO attributes VALUES('diagnoses','progress','ended',11);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',12);
INSERT INTO attributes VALUES('stages','pending','no',12);
INSERT INTO attributes VALUES('stages','service','diagnosis',12);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/8644295d-5efe-595e-b2e0-654fc13e8e09',13);
INSERT INTO attributes VALUES('audit','key','8644295d-5efe-595e-b2e0-654fc13e8e09/2',13);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',14);
INSERT INTO attributes VALUES('stages','pending','no',14);
INSERT INTO attributes VALUES('stages','service','remediation',14);
INSERT INTO attributes VALUES('actions','incident','3bb58551-5712-508b-960c-5eb30f557ecf',15);
INSERT INTO attributes VALUES('actions','living','no',15);
INSERT INTO attributes VALUES('actions','pending','no',15);
INSERT INTO attributes VALUES('actions','state','ACTION_STATE_SUCCEEDED',15);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1',17);
INSERT INTO attributes VALUES('audit','key','fc3e5192-d118-5d56-8aa0-070984570ce1/1',17);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',18);
INSERT INTO attributes VALUES('stages','pending','no',18);
INSERT INTO attributes VALUES('stages','service','remediation',18);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',19);
INSERT INTO attributes VALUES('stages','pending','no',19);
INSERT INTO attributes VALUES('stages','service','remediation',19);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1',20);
INSERT INTO attributes VALUES('audit','key','fc3e5192-d118-5d56-8aa0-070984570ce1/2',20);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1',21);
INSERT INTO attributes VALUES('audit','key','fc3e5192-d118-5d56-8aa0-070984570ce1/3',21);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',22);
INSERT INTO attributes VALUES('stages','pending','no',22);
INSERT INTO attributes VALUES('stages','service','remediation',22);
INSERT INTO attributes VALUES('audit','action','incidents/3bb58551-5712-508b-960c-5eb30f557ecf/actions/fc3e5192-d118-5d56-8aa0-070984570ce1',23);
INSERT INTO attributes VALUES('audit','key','fc3e5192-d118-5d56-8aa0-070984570ce1/4',23);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',24);
INSERT INTO attributes VALUES('stages','pending','no',24);
INSERT INTO attributes VALUES('stages','service','remediation',24);
INSERT INTO attributes VALUES('stages','incident','3bb58551-5712-508b-960c-5eb30f557ecf',25);
INSERT INTO attributes VALUES('stages','pending','no',25);
INSERT INTO attributes VALUES('stages','service','detector',25);
INSERT INTO attributes VALUES('freezes','open','yes',26);
INSERT INTO attributes VALUES('freezes','owes','no',26);
INSERT INTO attributes VALUES('audit','action','freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1',27);
INSERT INTO attributes VALUES('audit','key','freezes/9e64513f-687d-5ab2-83b6-18f9ade6d1c1/1',27);
INSERT INTO attributes VALUES('kill_switch','open','yes',28);
INSERT INTO attributes VALUES('kill_switch','owes','no',28);
INSERT INTO attributes VALUES('audit','action','killSwitch',29);
INSERT INTO attributes VALUES('audit','key','killSwitch/1',29);
INSERT INTO writes VALUES(86);
INSERT INTO services VALUES(1,'shop','account','demo');
INSERT INTO services VALUES(2,'shop','order','demo');
INSERT INTO services VALUES(3,'shop','checkout','demo');
INSERT INTO services VALUES(4,'shop','cart','demo');
INSERT INTO services VALUES(5,'shop','catalog','demo');
INSERT INTO services VALUES(6,'shop','inventory','demo');
INSERT INTO services VALUES(7,'shop','fraud','demo');
INSERT INTO services VALUES(8,'shop','currency','demo');
INSERT INTO services VALUES(9,'shop','notification','demo');
INSERT INTO services VALUES(10,'shop','session','demo');
INSERT INTO services VALUES(11,'shop','shipping','demo');
INSERT INTO services VALUES(12,'shop','review','demo');
INSERT INTO services VALUES(13,'shop','search','demo');
INSERT INTO services VALUES(14,'shop','storefront','demo');
INSERT INTO services VALUES(15,'shop','recommendation','demo');
INSERT INTO services VALUES(16,'shop','payment','demo');
INSERT INTO services VALUES(17,'shop','pricing','demo');
PRAGMA application_id = 1280528965;
PRAGMA user_version = 1;
COMMIT;
