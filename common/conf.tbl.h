/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option once.
 * CONF(id, name, environment, type, default, min, max, programs, flags, help)
 * min and max are in the unit held (ms, bytes, items of a list); for ENUM the
 * sentence starts with the words: "fsync|os: ...".
 */
#define CONF_MS(n) ((int64_t)(n))
#define CONF_SEC(n) ((int64_t)(n)*1000)
#define CONF_HOUR(n) ((int64_t)(n)*3600 * 1000)
#define CONF_MIB(n) ((int64_t)(n) << 20)
#define CONF_GIB(n) ((int64_t)(n) << 30)

/* Where things are */
CONF(STORE, "store", "LEAT_STORE", STRING, "sqlite:./leat-data/leat.db", 1,
     4096, PROC_SERVERS | PROC_DEV, CONF_SECRET,
     "Database: sqlite:PATH or postgresql://USER@HOST/NAME.")
CONF(STORE_CONNECTIONS, "store-connections", "LEAT_STORE_CONNECTIONS", INT,
     "16", 2, 256, PROC_GATEWAY | PROC_WORKER, 0,
     "Connections to PostgreSQL that this process may use at a time.")
CONF(BROKER, "broker", "LEAT_BROKER", LIST, "tcp://127.0.0.1:7410", 1, 16,
     PROC_GATEWAY | PROC_WORKER, 0,
     "Base address of the broker; several for standbys.")
CONF(LISTEN, "listen", "LEAT_LISTEN", STRING, "tcp://127.0.0.1:7410", 1, 256,
     PROC_BROKER, 0,
     "Base address; the broker's other sockets use the next ports, 8 in all.")
CONF(HOST, "host", "LEAT_HOST", STRING, "127.0.0.1", 1, 256,
     PROC_GATEWAY | PROC_DEV, 0, "HTTP address to listen on.")
CONF(PORT, "port", "LEAT_PORT", INT, "8123", 0, 65535, PROC_GATEWAY | PROC_DEV,
     0, "HTTP port to listen on; 0 takes a free one.")
CONF(ADMIN_LISTEN, "admin-listen", "LEAT_ADMIN_LISTEN", STRING, "", 0, 256,
     PROC_BROKER | PROC_WORKER, 0,
     "HOST:PORT of HTTP /metrics and health; off when empty.")
CONF(GRAPHS, "graphs", "LEAT_GRAPHS", LIST, "", 0, 1024,
     PROC_WORKER | PROC_DEV, 0,
     "Directory or file of graphs (.so; leat dev: also a langgraph.json).")
CONF(CONFIG, "config", "LEAT_CONFIG", STRING, "", 0, 4096,
     PROC_SERVERS | PROC_DEV, 0, "File of options, one name = value per line.")
CONF(LOG_LEVEL, "log-level", "LEAT_LOG_LEVEL", ENUM, "info", 0, 0,
     PROC_SERVERS | PROC_DEV, 0,
     "debug|info|warn|error|off: lines below it are not written.")

/* leat dev */
CONF(WORKERS, "workers", "LEAT_WORKERS", INT, "2", 0, 256, PROC_DEV, 0,
     "Worker processes to start.")
CONF(PYTHON, "python", "LEAT_PYTHON", STRING, "", 0, 4096, PROC_DEV, 0,
     "Python with leat_worker for the graphs of a langgraph.json; looked for "
     "when empty.")
CONF(PIDS, "pids", "LEAT_PIDS", BOOL, "false", 0, 0, PROC_DEV, 0,
     "Print a line `pid PROGRAM N` for each child started.")

/* Who may do what */
CONF(API_KEY, "api-key", "LEAT_API_KEYS", LIST, "", 0, 10000, PROC_GATEWAY,
     CONF_SECRET,
     "Key that clients must send (KEY or KEY=OWNER); none, none asked for.")
CONF(API_KEYS_FILE, "api-keys-file", "LEAT_API_KEYS_FILE", STRING, "", 0, 4096,
     PROC_GATEWAY, 0,
     "File of keys: a key's SHA-256 in hex and its owner per line.")
CONF(ALLOW_TRUNCATE, "allow-truncate", "LEAT_ALLOW_TRUNCATE", BOOL, "false", 0,
     0, PROC_GATEWAY, 0, "Serve POST /internal/truncate.")
CONF(CONFIGURABLE_HEADERS, "configurable-headers", "LEAT_CONFIGURABLE_HEADERS",
     LIST, "", 0, 256, PROC_GATEWAY, 0,
     "Request headers (x-* patterns) copied into a run's configurable.")
CONF(MOUNT_PREFIX, "mount-prefix", "LEAT_MOUNT_PREFIX", STRING, "", 0, 1024,
     PROC_GATEWAY, 0, "Path in front of every route.")
CONF(CORS_ORIGINS, "cors-origins", "LEAT_CORS_ORIGINS", LIST, "*", 0, 256,
     PROC_GATEWAY, 0, "Origins that browsers may call from.")
CONF(WEBHOOK_LOOPBACK, "webhook-loopback", "LEAT_WEBHOOK_LOOPBACK", BOOL,
     "false", 0, 0, PROC_GATEWAY, 0, "Allow webhooks to this host.")
CONF(WEBHOOK_SECRET, "webhook-secret", "LEAT_WEBHOOK_SECRET", STRING, "", 0,
     4096, PROC_GATEWAY, CONF_SECRET, "Key that signs webhook bodies.")

/* Runs */
CONF(SLOTS, "slots", "LEAT_SLOTS", INT, "64", 1, 4096, PROC_WORKER, 0,
     "Runs at a time in this process.")
CONF(MAX_ATTEMPTS, "max-attempts", "LEAT_MAX_ATTEMPTS", INT, "3", 1, 1000,
     PROC_BROKER, 0, "Attempts of a run whose workers are lost.")
CONF(LEASE, "lease", "LEAT_LEASE", DURATION, "5s", CONF_MS(100), CONF_HOUR(1),
     PROC_BROKER, 0, "Silence after which a worker is taken for lost.")
CONF(HEARTBEAT, "heartbeat", "LEAT_HEARTBEAT", DURATION, "1s", CONF_MS(10),
     CONF_HOUR(1), PROC_WORKER, 0,
     "Pause between signs of life to the broker.")
CONF(RUN_TIMEOUT, "run-timeout", "LEAT_RUN_TIMEOUT", DURATION, "24h",
     CONF_MS(1), CONF_HOUR(24 * 365), PROC_BROKER, 0,
     "Longest time of one run.")
CONF(CANCEL_DEADLINE, "cancel-deadline", "LEAT_CANCEL_DEADLINE", DURATION,
     "10s", CONF_MS(10), CONF_HOUR(24), PROC_WORKER, 0,
     "Time a node has to follow a cancel before its process is replaced.")
CONF(DRAIN, "drain", "LEAT_DRAIN", DURATION, "3s", CONF_MS(0), CONF_HOUR(24),
     PROC_WORKER, 0,
     "Time that runs have to finish on SIGTERM before they are handed back.")
CONF(LANE_RUNS, "lane-runs", "LEAT_LANE_RUNS", INT, "1000", 1, 1000000,
     PROC_BROKER, 0, "Runs that may wait on one thread.")
CONF(RECURSION_LIMIT, "recursion-limit", "LEAT_RECURSION_LIMIT", INT, "25", 1,
     1000000, PROC_WORKER, 0, "Super-steps of a run that sets no limit.")
CONF(NODE_THREADS, "node-threads", "LEAT_NODE_THREADS", INT, "1024", 1, 32768,
     PROC_WORKER, 0, "Threads for nodes that run side by side.")
CONF(WORKER_ID, "worker-id", "LEAT_WORKER_ID", STRING, "", 0, 128, PROC_WORKER,
     0, "Name of this worker; made up when empty.")
CONF(COMMIT, "commit", "LEAT_COMMIT", ENUM, "fsync", 0, 0,
     PROC_BROKER | PROC_WORKER, 0, "fsync|os: what a 2xx waits for.")

/* Events */
CONF(EVENT_LOG_TTL, "event-log-ttl", "LEAT_EVENT_LOG_TTL", DURATION, "24h",
     CONF_MS(0), CONF_HOUR(24 * 3650), PROC_BROKER, 0,
     "How long the log of an ended run is kept.")
CONF(EVENT_LOG_BYTES, "event-log-bytes", "LEAT_EVENT_LOG_BYTES", BYTES,
     "64MiB", 4096, CONF_GIB(1024), PROC_BROKER, 0,
     "Largest event log of one run.")
CONF(EVENT_LOG_TOTAL_BYTES, "event-log-total-bytes",
     "LEAT_EVENT_LOG_TOTAL_BYTES", BYTES, "4GiB", 4096, CONF_GIB(1 << 20),
     PROC_BROKER, 0, "All event logs together; oldest ended runs go first.")
CONF(STATELESS_LOG_TTL, "stateless-log-ttl", "LEAT_STATELESS_LOG_TTL",
     DURATION, "120s", CONF_MS(0), CONF_HOUR(24 * 365), PROC_BROKER, 0,
     "How long the log of an ended stateless run stays in memory.")
CONF(RING_BYTES, "ring-bytes", "LEAT_RING_BYTES", BYTES, "256MiB", 65536,
     CONF_GIB(1024), PROC_BROKER, 0, "Events in memory; ended runs go first.")
CONF(FLUSH, "flush", "LEAT_FLUSH", DURATION, "20ms", CONF_MS(1), CONF_SEC(60),
     PROC_BROKER, 0, "Pause between writes of events to the store.")
CONF(EVENT_WINDOW, "event-window", "LEAT_EVENT_WINDOW", INT, "2048", 1,
     1000000, PROC_WORKER, 0, "Events of a run sent and not yet received.")
CONF(UNCONFIRMED_BYTES, "unconfirmed-bytes", "LEAT_UNCONFIRMED_BYTES", BYTES,
     "64MiB", 4096, CONF_GIB(1024), PROC_WORKER, 0,
     "Events kept until they are durable; then the run is braked.")
CONF(FRAME_BYTES, "frame-bytes", "LEAT_FRAME_BYTES", BYTES, "320MiB", 65536,
     CONF_GIB(2), PROC_SERVERS, 0, "Largest message between the programs.")

/* Threads */
CONF(THREAD_TTL, "thread-ttl", "LEAT_THREAD_TTL", DURATION, "0s", CONF_MS(0),
     CONF_HOUR(24 * 36500), PROC_BROKER, 0,
     "How long a thread lives that is made without a ttl; 0: for ever.")
CONF(THREAD_TTL_STRATEGY, "thread-ttl-strategy", "LEAT_THREAD_TTL_STRATEGY",
     ENUM, "delete", 0, 0, PROC_BROKER, 0,
     "delete|keep_latest: what is done with it at the end of --thread-ttl.")
CONF(THREAD_SWEEP, "thread-sweep", "LEAT_THREAD_SWEEP", DURATION, "5m",
     CONF_MS(1), CONF_HOUR(24), PROC_GATEWAY, 0,
     "Pause between looks for threads whose end has come.")
CONF(THREAD_SWEEP_LIMIT, "thread-sweep-limit", "LEAT_THREAD_SWEEP_LIMIT", INT,
     "1000", 1, 1000000, PROC_GATEWAY, 0, "Threads that end in one look.")

/* Items */
CONF(ITEM_TTL, "item-ttl", "LEAT_ITEM_TTL", DURATION, "0s", CONF_MS(0),
     CONF_HOUR(24 * 36500), PROC_SERVERS, 0,
     "How long an item lives that is put without a ttl; 0: for ever.")
CONF(ITEM_REFRESH, "item-refresh", "LEAT_ITEM_REFRESH", BOOL, "true", 0, 0,
     PROC_SERVERS, 0, "Reading an item begins its time to live anew.")
CONF(ITEM_SWEEP, "item-sweep", "LEAT_ITEM_SWEEP", DURATION, "5m", CONF_MS(1),
     CONF_HOUR(24), PROC_BROKER, 0,
     "Pause between sweeps of items that have expired.")

/* HTTP */
CONF(BODY_BYTES, "body-bytes", "LEAT_BODY_BYTES", BYTES, "300MiB", 1024,
     CONF_GIB(2), PROC_GATEWAY, 0, "Largest request body.")
CONF(JSON_DEPTH, "json-depth", "LEAT_JSON_DEPTH", INT, "128", 1, 1024,
     PROC_GATEWAY, 0, "Deepest nesting of a request body.")
CONF(NAME_BYTES, "name-bytes", "LEAT_NAME_BYTES", INT, "1024", 16, 1024,
     PROC_GATEWAY, 0, "Longest key and longest namespace of an item.")
CONF(SUBMIT_WAIT, "submit-wait", "LEAT_SUBMIT_WAIT", DURATION, "30s",
     CONF_MS(1), CONF_HOUR(1), PROC_GATEWAY, 0,
     "How long a new run waits for the broker before 503.")
CONF(IDEMPOTENCY_TTL, "idempotency-ttl", "LEAT_IDEMPOTENCY_TTL", DURATION,
     "24h", CONF_MS(0), CONF_HOUR(24 * 365), PROC_GATEWAY, 0,
     "How long an Idempotency-Key is remembered.")
CONF(HTTP_THREADS, "http-threads", "LEAT_HTTP_THREADS", INT, "48", 2, 1024,
     PROC_GATEWAY, 0, "Threads that answer requests; streams need none.")
CONF(KEEP_ALIVE, "http-keep-alive", "LEAT_HTTP_KEEP_ALIVE", DURATION, "60s",
     CONF_MS(0), CONF_HOUR(1), PROC_GATEWAY, 0,
     "How long an idle connection stays open; 0: one request each.")
CONF(MAX_STREAMS, "max-streams", "LEAT_MAX_STREAMS", INT, "50000", 1, 10000000,
     PROC_GATEWAY, 0, "Streams and waits open at a time.")
CONF(KEY_STREAMS, "key-streams", "LEAT_KEY_STREAMS", INT, "10000", 1, 10000000,
     PROC_GATEWAY, 0, "Streams and waits of one key open at a time.")
CONF(STREAM_BYTES, "stream-bytes", "LEAT_STREAM_BYTES", BYTES, "8MiB", 4096,
     CONF_GIB(1), PROC_GATEWAY, 0, "Bytes that wait for one reader.")
CONF(STREAM_STALL, "stream-stall", "LEAT_STREAM_STALL", DURATION, "30s",
     CONF_MS(10), CONF_HOUR(24), PROC_GATEWAY, 0,
     "Time after which a reader that takes nothing is cut off.")
CONF(SSE_HEARTBEAT, "sse-heartbeat", "LEAT_SSE_HEARTBEAT", DURATION, "5s",
     CONF_MS(10), CONF_HOUR(1), PROC_GATEWAY, 0,
     "Pause after which an idle stream gets a comment.")

#undef CONF_MS
#undef CONF_SEC
#undef CONF_HOUR
#undef CONF_MIB
#undef CONF_GIB
