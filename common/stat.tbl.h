/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every metric once.
 * STAT(id, name, label, kind, programs, sentence); rows of one name (with
 * different labels) stand together.
 */
/* Runs */
STAT(RUNS_SUCCESS, "leat_runs_total", "status=\"success\"", COUNTER,
     PROC_BROKER, "Runs ended, by their last status.")
STAT(RUNS_ERROR, "leat_runs_total", "status=\"error\"", COUNTER, PROC_BROKER,
     "Runs ended, by their last status.")
STAT(RUNS_INTERRUPTED, "leat_runs_total", "status=\"interrupted\"", COUNTER,
     PROC_BROKER, "Runs ended, by their last status.")
STAT(RUNS_TIMEOUT, "leat_runs_total", "status=\"timeout\"", COUNTER,
     PROC_BROKER, "Runs ended, by their last status.")
STAT(RUNS_CANCELLED, "leat_runs_total", "status=\"cancelled\"", COUNTER,
     PROC_BROKER, "Runs ended, by their last status.")
STAT(RUNS_DEAD, "leat_runs_total", "status=\"dead\"", COUNTER, PROC_BROKER,
     "Runs ended, by their last status.")
STAT(RUNS_SUBMITTED, "leat_runs_submitted_total", "", COUNTER, PROC_BROKER,
     "Runs accepted.")
STAT(RUNS_REJECTED, "leat_runs_rejected_total", "", COUNTER, PROC_BROKER,
     "Runs refused by a lane or a limit.")
STAT(RUNS_PENDING, "leat_runs_pending", "", GAUGE, PROC_BROKER,
     "Runs that wait for a worker or for their turn.")
STAT(RUNS_RUNNING, "leat_runs_running", "", GAUGE, PROC_BROKER,
     "Runs that a worker executes now.")
STAT(QUEUE_WAIT, "leat_queue_wait_seconds", "", HISTOGRAM, PROC_BROKER,
     "From a run being ready to its being given to a worker.")
STAT(QUEUE_WAIT_FIRST, "leat_queue_wait_first_seconds", "", HISTOGRAM,
     PROC_BROKER, "The same, of first attempts alone.")
STAT(RUN_DURATION, "leat_run_duration_seconds", "", HISTOGRAM, PROC_BROKER,
     "From a run's first dispatch to its end.")
STAT(RUNS_RETRIED, "leat_runs_retried_total", "", COUNTER, PROC_BROKER,
     "Runs given to a worker again after the first attempt was lost.")
STAT(REDISPATCH, "leat_redispatch_seconds", "", HISTOGRAM, PROC_BROKER,
     "From the loss of a worker being noticed to its run being given away.")
STAT(LEASE_EXPIRED, "leat_lease_expired_total", "", COUNTER, PROC_BROKER,
     "Leases of workers that ran out.")
STAT(WORKERS, "leat_workers", "", GAUGE, PROC_BROKER, "Workers registered.")
STAT(SLOTS, "leat_slots", "", GAUGE, PROC_BROKER,
     "Runs that the registered workers can execute at a time.")
STAT(GATEWAYS, "leat_gateways", "", GAUGE, PROC_BROKER, "Gateways known.")
STAT(CRONS_FIRED, "leat_crons_fired_total", "", COUNTER, PROC_BROKER,
     "Runs submitted by crons.")
/* Events */
STAT(EVENTS_IN, "leat_events_total", "", COUNTER, PROC_BROKER,
     "Events taken in by the relay.")
STAT(EVENTS_BYTES, "leat_event_bytes_total", "", COUNTER, PROC_BROKER,
     "Bytes of the events taken in by the relay.")
STAT(EVENTS_LOST, "leat_events_lost_total", "", COUNTER,
     PROC_BROKER | PROC_GATEWAY,
     "Events that a reader asked for within their retention and did not get.")
STAT(EVENTS_FENCED, "leat_events_fenced_total", "", COUNTER, PROC_BROKER,
     "Events refused because their attempt was no longer the run's.")
STAT(EVENTS_REPEATED, "leat_events_repeated_total", "", COUNTER, PROC_BROKER,
     "Events that came again and were dropped.")
STAT(EVENTS_REPLAYED, "leat_events_replayed_total", "", COUNTER, PROC_BROKER,
     "Events sent again on request.")
STAT(EVENT_GAPS, "leat_event_gaps_total", "", COUNTER,
     PROC_BROKER | PROC_GATEWAY, "Gaps announced to readers.")
STAT(RING_BYTES, "leat_ring_bytes", "", GAUGE, PROC_BROKER,
     "Bytes of events held in memory.")
STAT(JOURNAL_FLUSH, "leat_journal_flush_seconds", "", HISTOGRAM, PROC_BROKER,
     "Duration of one write of event segments.")
STAT(JOURNAL_BACKLOG, "leat_journal_backlog_bytes", "", GAUGE, PROC_BROKER,
     "Bytes of events not yet in the store.")
STAT(JOURNAL_BYTES, "leat_journal_bytes", "", GAUGE, PROC_BROKER,
     "Bytes of event logs in the store.")
/* Store */
STAT(COMMIT, "leat_commit_seconds", "", HISTOGRAM, PROC_BROKER,
     "Duration of one commit of the ledger.")
STAT(COMMIT_GROUP, "leat_commit_decisions_total", "", COUNTER, PROC_BROKER,
     "Decisions committed by the ledger.")
STAT(VAULT_CALLS, "leat_vault_calls_total", "", COUNTER, PROC_BROKER,
     "Calls answered by the vault.")
STAT(VAULT_CALL, "leat_vault_call_seconds", "", HISTOGRAM, PROC_BROKER,
     "From a call's arrival at the vault to its answer.")
STAT(ITEMS_EXPIRED, "leat_items_expired_total", "", COUNTER, PROC_BROKER,
     "Items deleted because their time to live had ended.")
STAT(STORE_CONNECTS, "leat_store_connects_total", "", COUNTER, PROC_SERVERS,
     "Connections made to PostgreSQL.")
STAT(STORE_ERRORS, "leat_store_errors_total", "", COUNTER, PROC_SERVERS,
     "Calls to the store that failed.")
/* Wire */
STAT(WIRE_MALFORMED, "leat_wire_malformed_total", "", COUNTER, PROC_SERVERS,
     "Messages that could not be read.")
STAT(WIRE_UNKNOWN, "leat_wire_unknown_total", "", COUNTER, PROC_SERVERS,
     "Messages of an unknown type, ignored.")
STAT(WIRE_DROPPED, "leat_wire_dropped_total", "", COUNTER, PROC_SERVERS,
     "Messages not sent because the queue to a peer was full.")
/* Gateway */
STAT(HTTP_2XX, "leat_http_requests_total", "class=\"2xx\"", COUNTER,
     PROC_GATEWAY, "Requests answered, by class of status.")
STAT(HTTP_4XX, "leat_http_requests_total", "class=\"4xx\"", COUNTER,
     PROC_GATEWAY, "Requests answered, by class of status.")
STAT(HTTP_5XX, "leat_http_requests_total", "class=\"5xx\"", COUNTER,
     PROC_GATEWAY, "Requests answered, by class of status.")
STAT(HTTP_SECONDS, "leat_http_request_seconds", "", HISTOGRAM, PROC_GATEWAY,
     "Time an HTTP thread spent on a request.")
STAT(OPEN_STREAMS, "leat_open_streams", "", GAUGE, PROC_GATEWAY,
     "Streams and waits open now.")
STAT(STREAMS, "leat_streams_total", "", COUNTER, PROC_GATEWAY,
     "Streams and waits opened.")
STAT(SLOW_READERS_CLOSED, "leat_slow_readers_closed_total", "", COUNTER,
     PROC_GATEWAY, "Streams closed because their reader fell too far behind.")
STAT(STREAM_EVENTS, "leat_stream_events_total", "", COUNTER, PROC_GATEWAY,
     "Events written to streams.")
STAT(STREAM_BYTES, "leat_stream_bytes_total", "", COUNTER, PROC_GATEWAY,
     "Bytes written to streams.")
STAT(FIRST_EVENT, "leat_first_event_seconds", "", HISTOGRAM, PROC_GATEWAY,
     "From the request being read to the run's first event being written.")
STAT(EVENT_DELAY, "leat_event_delay_seconds", "", HISTOGRAM, PROC_GATEWAY,
     "From a worker making an event to its being written to a stream.")
STAT(REPLAYS, "leat_replays_total", "", COUNTER, PROC_GATEWAY,
     "Replays asked of the relay.")
STAT(WEBHOOKS, "leat_webhooks_total", "result=\"delivered\"", COUNTER,
     PROC_GATEWAY, "Webhooks, by result.")
STAT(WEBHOOKS_FAILED, "leat_webhooks_total", "result=\"failed\"", COUNTER,
     PROC_GATEWAY, "Webhooks, by result.")
/* Worker */
STAT(WORKER_BUSY, "leat_worker_busy_slots", "", GAUGE, PROC_WORKER,
     "Slots in use.")
STAT(WORKER_RUNS, "leat_worker_runs_total", "", COUNTER, PROC_WORKER,
     "Attempts executed.")
STAT(WORKER_STEPS, "leat_worker_steps_total", "", COUNTER, PROC_WORKER,
     "Super-steps executed.")
STAT(WORKER_EVENTS, "leat_worker_events_total", "", COUNTER, PROC_WORKER,
     "Events made.")
STAT(WORKER_RESENT, "leat_worker_events_resent_total", "", COUNTER,
     PROC_WORKER, "Events sent again to a broker that had not confirmed them.")
STAT(WORKER_UNCONFIRMED, "leat_worker_unconfirmed_bytes", "", GAUGE,
     PROC_WORKER, "Bytes of events that are not yet durable.")
STAT(WORKER_BRAKED, "leat_worker_braked_total", "", COUNTER, PROC_WORKER,
     "Times a run had to wait because its window was full.")
STAT(WORKER_FENCED, "leat_worker_fenced_total", "", COUNTER, PROC_WORKER,
     "Attempts stopped because the run had moved to another worker.")
STAT(SAVE, "leat_checkpoint_save_seconds", "", HISTOGRAM, PROC_WORKER,
     "Duration of saving one checkpoint.")
/* Every process */
STAT(START_TIME, "leat_start_time_seconds", "", GAUGE, PROC_SERVERS,
     "Wall time at which the process started.")
