/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every place where a process can be made to break, once.
 * FAULT(id, name, programs, effect, moment)
 * KILL: the process dies by SIGKILL. STOP: it stops by SIGSTOP until somebody
 * continues it. FAIL: the call that stands there fails.
 */

/* Broker: runs */
FAULT(DESK_SUBMIT, "desk-submit", PROC_BROKER, KILL,
      "A RUN_SUBMIT was read; nothing is decided.")
FAULT(LEDGER_BEFORE, "ledger-before-commit", PROC_BROKER, KILL,
      "What the core decided is written and not committed.")
FAULT(LEDGER_AFTER, "ledger-after-commit", PROC_BROKER, KILL,
      "It is committed and nobody was told.")
FAULT(LEDGER_FULL, "ledger-full", PROC_BROKER, FAIL,
      "The disk is full when the ledger commits.")
FAULT(DESK_ACCEPTED, "desk-accepted", PROC_BROKER, KILL,
      "A RUN_ACCEPTED is on its way.")
FAULT(DESK_START, "desk-start", PROC_BROKER, KILL,
      "A RUN_START is on its way.")
FAULT(DESK_DONE, "desk-done", PROC_BROKER, KILL,
      "A RUN_DONE was read; nothing is decided.")
FAULT(DESK_ENDED, "desk-ended", PROC_BROKER, KILL,
      "A RUN_ENDED is on its way.")
FAULT(DESK_STOP, "desk-stop", PROC_BROKER, STOP, "A HEARTBEAT was read.")

/* Broker: events */
FAULT(RELAY_EVENTS, "relay-events", PROC_BROKER, KILL,
      "Events were published and are not stored.")
FAULT(RELAY_REPLAY, "relay-replay", PROC_BROKER, KILL,
      "A piece of a replay is on its way.")
FAULT(JOURNAL_BEFORE, "journal-before-commit", PROC_BROKER, KILL,
      "Events are written and not committed.")
FAULT(JOURNAL_AFTER, "journal-after-commit", PROC_BROKER, KILL,
      "Events are committed and nobody was told.")
FAULT(JOURNAL_FULL, "journal-full", PROC_BROKER, FAIL,
      "The disk is full when the journal commits.")

/* Checkpoints and items: the vault, and on PostgreSQL a worker's scribe */
FAULT(BATCH_BEFORE, "batch-before-commit", PROC_BROKER | PROC_WORKER, KILL,
      "Calls of the store are done and not committed.")
FAULT(BATCH_AFTER, "batch-after-commit", PROC_BROKER | PROC_WORKER, KILL,
      "They are committed and nobody was told.")
FAULT(BATCH_FULL, "batch-full", PROC_BROKER | PROC_WORKER, FAIL,
      "The disk is full when they are committed.")

/* Worker */
FAULT(WORKER_START, "worker-start", PROC_WORKER, KILL,
      "A RUN_START was read; nothing was begun.")
FAULT(WORKER_STEP, "worker-step", PROC_WORKER, KILL, "A node has begun.")
FAULT(WORKER_EVENT, "worker-event", PROC_WORKER, KILL,
      "An event of the graph (a token, say) goes to the outbox.")
FAULT(WORKER_CHECKPOINT, "worker-checkpoint", PROC_WORKER, KILL,
      "A checkpoint was given to the store; its event was not made.")
FAULT(WORKER_END, "worker-end", PROC_WORKER, KILL,
      "The graph is through; its log has no end yet.")
FAULT(WORKER_DONE, "worker-done", PROC_WORKER, KILL,
      "A RUN_DONE is on its way.")
FAULT(WORKER_STOP, "worker-stop", PROC_WORKER, STOP,
      "An event of the graph goes to the outbox.")

/* Gateway */
FAULT(GATEWAY_SUBMIT, "gateway-submit", PROC_GATEWAY, KILL,
      "A RUN_SUBMIT is on its way; the client has no answer.")
FAULT(GATEWAY_ACCEPTED, "gateway-accepted", PROC_GATEWAY, KILL,
      "A RUN_ACCEPTED was read; the client has no answer.")
FAULT(GATEWAY_WRITTEN, "gateway-written", PROC_GATEWAY, KILL,
      "A piece of an answer that follows a run was sent; the first is its head.")
FAULT(GATEWAY_EVENTS, "gateway-events", PROC_GATEWAY, KILL,
      "Events were read and not shown.")
FAULT(GATEWAY_REPLAY, "gateway-replay", PROC_GATEWAY, KILL,
      "A piece of a replay was read and not shown.")
FAULT(GATEWAY_STOP, "gateway-stop", PROC_GATEWAY, STOP,
      "Events were read and not shown.")
