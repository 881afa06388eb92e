/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that STORE_CALL can carry, once.
 *
 * STORE_OP(name, fenced, "args", "result")
 *   fenced: the vault first checks, in the same transaction, that the attempt
 *           in the message's head is the run's and that the run is running; if
 *           not, nothing is written and the answer is REFUSED "fenced". A head
 *           without a run is not fenced (state updates).
 *   args, result: the fields of an object; ? may be left out. Ids of threads,
 *           runs and assistants are uuid text; times are microseconds since
 *           1970; "place" is thread_id and ns.
 *
 * The reads are for workers that do not open the database themselves.
 */
STORE_OP(assistants_create, false,
         "assistant_id graph_id owner? name? description? metadata? config? "
         "context? version? created_us?",
         "created: false when the id was taken")
STORE_OP(assistants_delete, false, "assistant_id", "")
STORE_OP(assistants_patch, false,
         "assistant_id graph_id? name? description? metadata? config? context?",
         "assistant: its row")
STORE_OP(assistants_set_latest, false, "assistant_id version",
         "assistant: its row")
STORE_OP(assistants_drop_runs, false, "assistant_id limit",
         "dropped: how many")
STORE_OP(threads_create, false,
         "thread_id owner? status? metadata? config? values? interrupts? "
         "created_us?",
         "created: false when the id was taken")
STORE_OP(threads_patch, false, "thread_id metadata? config?", "")
STORE_OP(threads_set, false, "thread_id status? values? interrupts? error?",
         "")
STORE_OP(threads_delete, false, "thread_id", "")
STORE_OP(threads_copy, false, "from to", "")
STORE_OP(threads_prune, false, "thread_id", "")
STORE_OP(threads_refresh, false, "thread_id", "")
STORE_OP(threads_set_ttl, false, "thread_id strategy ttl_us", "")
STORE_OP(runs_delete, false, "run_id", "")
STORE_OP(crons_create, false,
         "cron_id assistant_id thread_id owner? schedule timezone? "
         "on_completed? enabled version next_us end_us created_us metadata? "
         "payload?",
         "")
STORE_OP(crons_replace, false, "as crons_create", "")
STORE_OP(crons_delete, false, "cron_id", "")
STORE_OP(crons_advance, false, "cron_id due_us next_us", "")
STORE_OP(hooks_claim, false, "now_us until_us limit",
         "hooks: a list of {run_id, url, tries, body}")
STORE_OP(hooks_tried, false, "run_id again_us: 0 for never", "")
STORE_OP(keys_claim, false,
         "owner? key run_id digest now_us expired_us abandoned_us",
         "fresh same accepted run_id created_us")
STORE_OP(keys_release, false, "owner? key run_id", "")
STORE_OP(keys_expire, false, "before_us", "")
STORE_OP(checkpoints_put, true,
         "place id parent_id ts run_id? values refs? versions seen metadata "
         "view?",
         "")
STORE_OP(checkpoints_put_writes, true,
         "place checkpoint_id writes: list of [task_id, index, channel, value]",
         "")
STORE_OP(checkpoints_put_view, true, "place checkpoint_id view", "")
STORE_OP(checkpoints_put_all, true,
         "calls: list of [op, args] of the three above, done in order",
         "")
STORE_OP(checkpoints_load, false, "place id?",
         "checkpoint: null, or an object with the fields of checkpoints_put "
         "and writes: list of [task_id, index, channel, value]")
STORE_OP(checkpoints_list, false, "place id? before? metadata? limit?",
         "checkpoints: a list of them, newest first")
STORE_OP(checkpoints_delete_run, false, "run_id", "")
STORE_OP(items_put, false, "owner? space key value ttl_us?", "")
STORE_OP(items_get, false, "owner? space key refresh?",
         "item: null, or {owner, space, key, value, created_us, updated_us, "
         "ttl_us, expires_us}")
STORE_OP(items_delete, false, "owner? space key", "")
STORE_OP(items_refresh, false, "items: list of {owner? space key}", "")
STORE_OP(items_search, false, "owner? prefix? filter? limit? offset? refresh?",
         "items: a list of them, last updated first")
STORE_OP(items_spaces, false,
         "owner? prefix? suffix? max_depth? limit? offset?",
         "spaces: a list of lists")
STORE_OP(truncate, false, "what: sum of the STORE_ bits", "")
