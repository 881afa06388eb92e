/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every message between gateways, the broker and workers, once. Included with
 * the two macros defined; docs/protocol.md is held to this table by a test.
 *
 * WIRE_MSG(number, NAME, from, to, body, "what it says")
 *   from, to: sets of WIRE_G gateway, WIRE_W worker, WIRE_D desk, WIRE_R relay,
 *             WIRE_V vault (D, R and V are the broker's)
 *   body:     WIRE_NONE no body (the frame is empty), WIRE_MAP a msgpack map
 *             with the fields below, WIRE_RAW msgpack values laid end to end
 * WIRE_FIELD(NAME, "key", type, required, "what it is")
 *   type: one of WIRE_STR WIRE_INT WIRE_BOOL WIRE_OBJ WIRE_LIST WIRE_ANY
 *   Unknown keys are ignored. Head fields a message uses are in its sentence.
 */

/* ---- who is there -------------------------------------------------------- */
WIRE_MSG(1, HELLO, WIRE_G | WIRE_W, WIRE_D | WIRE_R | WIRE_V, WIRE_MAP,
         "A peer names itself, at start and whenever it is asked WHO")
WIRE_FIELD(HELLO, "kind", WIRE_STR, true, "\"gateway\" or \"worker\"")
WIRE_FIELD(HELLO, "id", WIRE_STR, true, "unique for the life of the process")
WIRE_FIELD(HELLO, "pid", WIRE_INT, true, "process id")
WIRE_FIELD(HELLO, "host", WIRE_STR, true, "host name")
WIRE_FIELD(HELLO, "slots", WIRE_INT, false, "worker: runs at a time")
WIRE_FIELD(HELLO, "graphs", WIRE_LIST, false,
           "worker: one object for each graph it serves: {\"id\", \"mark\" (text "
           "that differs where the graphs do; absent: \"\")}")
WIRE_FIELD(HELLO, "runs", WIRE_LIST, false,
           "worker: runs it holds: {\"run\",\"thread\" (uuid text),\"attempt\","
           "\"first\",\"last\" (unconfirmed sequences)}; gateway: none")
WIRE_MSG(2, WELCOME, WIRE_D, WIRE_G | WIRE_W, WIRE_MAP,
         "The desk took the HELLO; head: epoch")
WIRE_FIELD(WELCOME, "lease_ms", WIRE_INT, true, "silence after which runs move")
WIRE_FIELD(WELCOME, "window", WIRE_INT, true, "unconfirmed events of one run")
WIRE_MSG(3, WHO, WIRE_D | WIRE_R | WIRE_V, WIRE_G | WIRE_W, WIRE_NONE,
         "The peer is not known in this epoch: say HELLO; head: epoch")
WIRE_MSG(4, PING, WIRE_D | WIRE_R | WIRE_V | WIRE_G | WIRE_W,
         WIRE_D | WIRE_R | WIRE_V | WIRE_G | WIRE_W, WIRE_NONE,
         "Are you there; answered by PONG with the same tag")
WIRE_MSG(5, PONG, WIRE_D | WIRE_R | WIRE_V | WIRE_G | WIRE_W,
         WIRE_D | WIRE_R | WIRE_V | WIRE_G | WIRE_W, WIRE_NONE, "I am")
WIRE_MSG(6, GOODBYE, WIRE_W | WIRE_G, WIRE_D, WIRE_NONE,
         "Draining: give me no more runs")
WIRE_MSG(7, HEARTBEAT, WIRE_W | WIRE_G, WIRE_D, WIRE_NONE,
         "Renews the lease of every run the worker holds")
WIRE_MSG(8, GRAPHS, WIRE_D, WIRE_G, WIRE_MAP,
         "All graphs that registered; after WELCOME and at each change")
WIRE_FIELD(GRAPHS, "graphs", WIRE_LIST, true,
           "{\"id\", \"workers\" (how many serve it now), \"slots\", \"free\"}")
WIRE_FIELD(GRAPHS, "workers", WIRE_LIST, false,
           "{\"id\",\"pid\",\"host\",\"graphs\",\"slots\",\"busy\"}")
WIRE_FIELD(GRAPHS, "queue_wait", WIRE_OBJ, false,
           "how long first attempts waited for a worker: {\"sum_us\", "
           "\"counts\" (by the buckets of the histogram)}")
WIRE_MSG(9, REFUSED, WIRE_D | WIRE_R | WIRE_V, WIRE_G | WIRE_W, WIRE_MAP,
         "The request with this tag was refused, or the HELLO, or the protocol "
         "of the peer; head: tag, run, thread")
WIRE_FIELD(REFUSED, "code", WIRE_STR, true, "a name of errors.tbl.h")
WIRE_FIELD(REFUSED, "text", WIRE_STR, true, "a sentence for people")

/* ---- gateway and desk ---------------------------------------------------- */
WIRE_MSG(10, RUN_SUBMIT, WIRE_G, WIRE_D, WIRE_MAP,
         "Queue this run; repeated until answered; head: tag, run, thread, and "
         "with `again` attempt = the highest one seen in its events")
WIRE_FIELD(RUN_SUBMIT, "graph_id", WIRE_STR, true, "which graph")
WIRE_FIELD(RUN_SUBMIT, "assistant_id", WIRE_STR, true, "uuid text")
WIRE_FIELD(RUN_SUBMIT, "strategy", WIRE_STR, true,
           "reject, interrupt, rollback or enqueue")
WIRE_FIELD(RUN_SUBMIT, "after_ms", WIRE_INT, false, "not before so long")
WIRE_FIELD(RUN_SUBMIT, "stored", WIRE_BOOL, true,
           "false: lives in memory only (a stateless run, client connected)")
WIRE_FIELD(RUN_SUBMIT, "temporary", WIRE_BOOL, false,
           "delete the thread when the run has ended")
WIRE_FIELD(RUN_SUBMIT, "watched", WIRE_BOOL, false,
           "start it once the relay has this gateway's subscription (at most "
           "100 ms later)")
WIRE_FIELD(RUN_SUBMIT, "created_at", WIRE_STR, true, "ISO-8601")
WIRE_FIELD(RUN_SUBMIT, "kwargs", WIRE_OBJ, true, "the invocation, opaque")
WIRE_FIELD(RUN_SUBMIT, "metadata", WIRE_OBJ, true, "of the run, opaque")
WIRE_FIELD(RUN_SUBMIT, "thread_make", WIRE_BOOL, false,
           "make the thread if it is not there; else that is NOT_FOUND")
WIRE_FIELD(RUN_SUBMIT, "thread_config", WIRE_OBJ, false,
           "merged into the thread's config, its configurable key by key")
WIRE_FIELD(RUN_SUBMIT, "owner", WIRE_STR, false, "of a thread made here")
WIRE_FIELD(RUN_SUBMIT, "webhook", WIRE_STR, false,
           "URL that is told how the run ended")
WIRE_FIELD(RUN_SUBMIT, "key", WIRE_STR, false,
           "Idempotency-Key that was claimed for this run")
WIRE_FIELD(RUN_SUBMIT, "tick", WIRE_OBJ, false,
           "of a cron: {\"cron_id\" (uuid text), \"due_us\", \"next_us\"}; "
           "REFUSED (CONFLICT) when that tick made a run before")
WIRE_FIELD(RUN_SUBMIT, "again", WIRE_BOOL, false,
           "repeated to a restarted broker: may be running on a worker")
WIRE_MSG(11, RUN_ACCEPTED, WIRE_D, WIRE_G, WIRE_MAP,
         "The submit or cancel with this tag is committed; head: tag, run")
WIRE_FIELD(RUN_ACCEPTED, "status", WIRE_STR, true, "the run's status now")
WIRE_MSG(12, RUN_FORGET, WIRE_G, WIRE_D, WIRE_NONE,
         "The submit's client was told it failed: never start it; head: run")
WIRE_MSG(13, RUN_WATCH, WIRE_G, WIRE_D, WIRE_NONE,
         "Tell me when this run ends; answered by RUN_STATE, or at once by "
         "RUN_ENDED, or REFUSED (NOT_FOUND: not live here); head: tag, run")
WIRE_MSG(14, RUN_STATE, WIRE_D, WIRE_G, WIRE_MAP, "head: tag, run, attempt")
WIRE_FIELD(RUN_STATE, "status", WIRE_STR, true, "pending or running")
WIRE_FIELD(RUN_STATE, "why", WIRE_STR, false,
           "why it is pending: a sentence for people")
WIRE_MSG(15, RUN_ENDED, WIRE_D, WIRE_G, WIRE_MAP,
         "To every gateway that submitted or watches it; head: run, thread, "
         "seq = last sequence of its log")
WIRE_FIELD(RUN_ENDED, "status", WIRE_STR, true,
           "success, error, interrupted or deleted")
WIRE_FIELD(RUN_ENDED, "error", WIRE_OBJ, false, "{\"error\",\"message\"}")
WIRE_MSG(16, RUN_CANCEL, WIRE_G | WIRE_D, WIRE_D | WIRE_W, WIRE_MAP,
         "Stop the run; the desk answers RUN_ACCEPTED or REFUSED; head: tag, "
         "run")
WIRE_FIELD(RUN_CANCEL, "action", WIRE_STR, true, "interrupt or rollback")
WIRE_MSG(17, THREAD_DELETE, WIRE_G, WIRE_D, WIRE_NONE,
         "Stop the thread's runs, then delete it with all it has; answered by "
         "DONE or REFUSED; head: tag, thread, seq = 1: only if it has no runs "
         "(else REFUSED with `conflict`)")
WIRE_MSG(18, DONE, WIRE_D | WIRE_R | WIRE_V, WIRE_G | WIRE_W, WIRE_NONE,
         "The request with this tag is done; head: tag")
WIRE_MSG(19, RUN_UNWATCH, WIRE_G, WIRE_D, WIRE_NONE,
         "No reader of this run is left at this gateway; head: run")
WIRE_MSG(20, CALL, WIRE_G | WIRE_D, WIRE_D | WIRE_W, WIRE_MAP,
         "A short job that needs a graph; the desk hands it to a worker that "
         "serves it, and waits up to 5 s for one; answered by CALL_DONE or "
         "REFUSED; head: tag, thread where it is about one")
WIRE_FIELD(CALL, "graph_id", WIRE_STR, true, "which graph")
WIRE_FIELD(CALL, "op", WIRE_STR, true, "what to do (section 7)")
WIRE_FIELD(CALL, "args", WIRE_OBJ, true, "as the op says")
WIRE_FIELD(CALL, "config", WIRE_OBJ, false,
           "for a graph that is built for each run")
WIRE_FIELD(CALL, "repeat", WIRE_BOOL, false,
           "asking a second worker does no harm when the first is lost")
WIRE_MSG(21, CALL_DONE, WIRE_W | WIRE_D, WIRE_D | WIRE_G, WIRE_MAP,
         "The answer to the CALL with this tag; a worker that cannot gives "
         "`code` and `text`, and the desk makes REFUSED of them; head: tag, "
         "thread")
WIRE_FIELD(CALL_DONE, "result", WIRE_ANY, false, "as the op says")
WIRE_FIELD(CALL_DONE, "code", WIRE_STR, false, "a name of errors.tbl.h")
WIRE_FIELD(CALL_DONE, "text", WIRE_STR, false, "a sentence for people")

/* ---- desk and worker ------------------------------------------------------ */
WIRE_MSG(30, RUN_START, WIRE_D, WIRE_W, WIRE_MAP,
         "The run is yours; head: run, thread, attempt, seq = first sequence, "
         "ms = first half of its event ids")
WIRE_FIELD(RUN_START, "graph_id", WIRE_STR, true, "which graph")
WIRE_FIELD(RUN_START, "assistant_id", WIRE_STR, true, "uuid text")
WIRE_FIELD(RUN_START, "stored", WIRE_BOOL, true, "checkpoints go to the store")
WIRE_FIELD(RUN_START, "temporary", WIRE_BOOL, false, "of a stateless run")
WIRE_FIELD(RUN_START, "kwargs", WIRE_OBJ, true, "as submitted")
WIRE_FIELD(RUN_START, "metadata", WIRE_OBJ, true, "as submitted")
WIRE_FIELD(RUN_START, "last", WIRE_BOOL, false,
           "the last attempt: run nothing else beside it")
WIRE_MSG(31, RUN_STARTED, WIRE_W, WIRE_D, WIRE_NONE,
         "An executor has it; head: run, attempt")
WIRE_MSG(32, RUN_DONE, WIRE_W, WIRE_D, WIRE_MAP,
         "The attempt has ended; repeated until RUN_KEPT; head: run, thread, "
         "attempt, seq = last sequence given, the `end` record")
WIRE_FIELD(RUN_DONE, "status", WIRE_STR, true,
           "success, error or interrupted (cancelled)")
WIRE_FIELD(RUN_DONE, "error", WIRE_OBJ, false, "{\"error\",\"message\"}")
WIRE_FIELD(RUN_DONE, "thread_status", WIRE_STR, true,
           "idle, interrupted or error")
WIRE_FIELD(RUN_DONE, "values", WIRE_ANY, false,
           "of the thread's last checkpoint; absent: unchanged")
WIRE_FIELD(RUN_DONE, "interrupts", WIRE_OBJ, false,
           "task id -> list of interrupts")
WIRE_MSG(33, RUN_KEPT, WIRE_D, WIRE_W, WIRE_NONE,
         "RUN_DONE or RUN_YIELD is committed, forget it; head: run, attempt")
WIRE_MSG(34, RUN_YIELD, WIRE_W, WIRE_D, WIRE_MAP,
         "Handed back, to go on elsewhere, no attempt counted; head: run, "
         "thread, attempt, seq = last sequence given")
WIRE_FIELD(RUN_YIELD, "why", WIRE_STR, true,
           "drain, full, no graph or replaced")
WIRE_MSG(35, RUN_STOP, WIRE_D, WIRE_W, WIRE_NONE,
         "The lease is lost: stop, write nothing more; head: run, attempt")
WIRE_MSG(36, RUN_BUSY, WIRE_W, WIRE_D, WIRE_MAP,
         "Which runs execute user code right now, for the crash count")
WIRE_FIELD(RUN_BUSY, "runs", WIRE_LIST, true, "run ids, uuid text")

/* ---- worker, relay, gateway: events --------------------------------------- */
WIRE_MSG(40, EVENTS, WIRE_W | WIRE_R, WIRE_R | WIRE_G, WIRE_RAW,
         "Events of one run, dense; head: run, thread, attempt, seq = the "
         "first, tag = how many, ms. On PUB a topic frame stands before: the "
         "16 bytes of the thread id, then those of the run id")
WIRE_MSG(41, EVENTS_RECEIVED, WIRE_R, WIRE_W, WIRE_NONE,
         "The relay has all up to seq; head: run, attempt, seq")
WIRE_MSG(42, EVENTS_DURABLE, WIRE_R, WIRE_W, WIRE_NONE,
         "All up to seq is stored and may be forgotten; head: run, attempt, "
         "seq")
WIRE_MSG(43, EVENTS_FROM, WIRE_R, WIRE_W, WIRE_NONE,
         "There is a gap: send again from seq; head: run, attempt, seq")
WIRE_MSG(44, REPLAY_GET, WIRE_G, WIRE_R, WIRE_NONE,
         "All of the run from seq on; head: tag, run, thread, seq, ms = about "
         "how many bytes of events at most (0: no limit; the answer then ends "
         "early and REPLAY_END's seq is beyond its last event)")
WIRE_MSG(45, REPLAY_EVENTS, WIRE_R, WIRE_G, WIRE_RAW,
         "As EVENTS, but tag is that of REPLAY_GET; flags hold nothing; the "
         "body's values are counted by reading it; head: tag, run, thread, "
         "attempt, seq, ms")
WIRE_MSG(46, REPLAY_END, WIRE_R, WIRE_G, WIRE_MAP,
         "That was all there is now; head: tag, run, thread (as the events in "
         "memory have it; none if there are none), seq = the last one known")
WIRE_FIELD(REPLAY_END, "first", WIRE_INT, true,
           "the first that is still kept; above the wanted one: a gap")
WIRE_FIELD(REPLAY_END, "ended", WIRE_BOOL, true, "the log has its `end`")
WIRE_FIELD(REPLAY_END, "known", WIRE_BOOL, true, "false: no log of this run")

/* ---- anyone and the vault -------------------------------------------------- */
WIRE_MSG(60, STORE_CALL, WIRE_G | WIRE_W, WIRE_V, WIRE_MAP,
         "One call of the store, one transaction; head: tag, and for a "
         "saver's call run and attempt: the fence")
WIRE_FIELD(STORE_CALL, "op", WIRE_STR, true, "a name of common/store/ops.tbl.h")
WIRE_FIELD(STORE_CALL, "args", WIRE_ANY, true, "as the op says")
WIRE_MSG(61, STORE_DONE, WIRE_V, WIRE_G | WIRE_W, WIRE_MAP,
         "Committed; head: tag")
WIRE_FIELD(STORE_DONE, "result", WIRE_ANY, false, "as the op says")
