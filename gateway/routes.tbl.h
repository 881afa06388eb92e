/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every route once, in the order of the API.
 * ROUTE(method, path, handler, flags)
 *   flags: GW_OPEN needs no key; GW_JSON has a JSON body, GW_MAYBE_JSON may
 *          have one (an empty body counts as {}); GW_STREAM answers with a
 *          stream, so HEAD does not find it
 * A segment in braces takes any one segment; a fixed segment wins over it,
 * whatever the method.
 */
ROUTE(GET, "/", system_root, GW_OPEN)
ROUTE(GET, "/ok", system_ok, GW_OPEN)
ROUTE(GET, "/info", system_info, GW_OPEN)
ROUTE(GET, "/health", system_health, GW_OPEN)
ROUTE(GET, "/ready", system_ready, GW_OPEN)
ROUTE(GET, "/live", system_live, GW_OPEN)
ROUTE(GET, "/metrics", system_metrics, 0)
ROUTE(GET, "/docs", openapi_page, 0)
ROUTE(GET, "/openapi.json", openapi_document, 0)
ROUTE(POST, "/internal/truncate", system_truncate, GW_MAYBE_JSON)

ROUTE(POST, "/assistants/search", assistants_search, GW_MAYBE_JSON)
ROUTE(POST, "/assistants/count", assistants_count, GW_MAYBE_JSON)
ROUTE(POST, "/assistants", assistants_create, GW_JSON)
ROUTE(GET, "/assistants/{assistant_id}", assistants_get, 0)
ROUTE(PATCH, "/assistants/{assistant_id}", assistants_patch, GW_MAYBE_JSON)
ROUTE(DELETE, "/assistants/{assistant_id}", assistants_delete, 0)
ROUTE(GET, "/assistants/{assistant_id}/graph", assistants_graph, 0)
ROUTE(GET, "/assistants/{assistant_id}/schemas", assistants_schemas, 0)
ROUTE(GET, "/assistants/{assistant_id}/subgraphs", assistants_subgraphs, 0)
ROUTE(GET, "/assistants/{assistant_id}/subgraphs/{namespace}",
      assistants_subgraphs, 0)
ROUTE(POST, "/assistants/{assistant_id}/versions", assistants_versions,
      GW_MAYBE_JSON)
ROUTE(POST, "/assistants/{assistant_id}/latest", assistants_latest,
      GW_MAYBE_JSON)

ROUTE(POST, "/threads", threads_create, GW_MAYBE_JSON)
ROUTE(POST, "/threads/search", threads_search, GW_MAYBE_JSON)
ROUTE(POST, "/threads/count", threads_count, GW_MAYBE_JSON)
ROUTE(POST, "/threads/prune", threads_prune, GW_JSON)
ROUTE(GET, "/threads/{thread_id}", threads_get, 0)
ROUTE(PATCH, "/threads/{thread_id}", threads_patch, GW_MAYBE_JSON)
ROUTE(DELETE, "/threads/{thread_id}", threads_delete, 0)
ROUTE(POST, "/threads/{thread_id}/copy", threads_copy, GW_MAYBE_JSON)
ROUTE(GET, "/threads/{thread_id}/storage", threads_storage, 0)
ROUTE(GET, "/threads/{thread_id}/state", state_get, 0)
ROUTE(POST, "/threads/{thread_id}/state", state_update, GW_JSON)
ROUTE(PATCH, "/threads/{thread_id}/state", threads_patch, GW_MAYBE_JSON)
ROUTE(GET, "/threads/{thread_id}/state/{checkpoint_id}", state_get, 0)
ROUTE(POST, "/threads/{thread_id}/state/checkpoint", state_at, GW_JSON)
ROUTE(GET, "/threads/{thread_id}/stream", runs_follow, GW_STREAM)
ROUTE(GET, "/threads/{thread_id}/history", state_history, 0)
ROUTE(POST, "/threads/{thread_id}/history", state_history_post,
      GW_MAYBE_JSON)

ROUTE(POST, "/threads/{thread_id}/runs", runs_create, GW_JSON)
ROUTE(GET, "/threads/{thread_id}/runs", runs_list, 0)
ROUTE(POST, "/threads/{thread_id}/runs/stream", runs_stream, GW_JSON)
ROUTE(POST, "/threads/{thread_id}/runs/wait", runs_wait, GW_JSON)
ROUTE(GET, "/threads/{thread_id}/runs/{run_id}", runs_get, 0)
ROUTE(DELETE, "/threads/{thread_id}/runs/{run_id}", runs_delete, 0)
ROUTE(GET, "/threads/{thread_id}/runs/{run_id}/join", runs_join, GW_STREAM)
ROUTE(GET, "/threads/{thread_id}/runs/{run_id}/stream", runs_join_stream, GW_STREAM)
ROUTE(POST, "/threads/{thread_id}/runs/{run_id}/cancel", runs_cancel, 0)

ROUTE(POST, "/runs", runs_create, GW_JSON)
ROUTE(POST, "/runs/stream", runs_stream, GW_JSON)
ROUTE(POST, "/runs/wait", runs_wait, GW_JSON)
ROUTE(POST, "/runs/batch", runs_batch, GW_JSON)
ROUTE(POST, "/runs/cancel", runs_cancel_many, GW_JSON)
ROUTE(GET, "/runs/{run_id}/join", runs_join, GW_STREAM)
ROUTE(GET, "/runs/{run_id}/stream", runs_join_stream, GW_STREAM)

ROUTE(POST, "/threads/{thread_id}/runs/crons", crons_create_for_thread, GW_JSON)
ROUTE(POST, "/runs/crons", crons_create, GW_JSON)
ROUTE(POST, "/runs/crons/search", crons_search, GW_MAYBE_JSON)
ROUTE(POST, "/runs/crons/count", crons_count, GW_MAYBE_JSON)
ROUTE(GET, "/runs/crons/{cron_id}", crons_get, 0)
ROUTE(PATCH, "/runs/crons/{cron_id}", crons_update, GW_JSON)
ROUTE(DELETE, "/runs/crons/{cron_id}", crons_delete, 0)

ROUTE(POST, "/threads/{thread_id}/commands", later_protocol, 0)
ROUTE(POST, "/threads/{thread_id}/stream/events", later_protocol, 0)
ROUTE(GET, "/threads/{thread_id}/stream/events", later_protocol, 0)
ROUTE(POST, "/ui/{assistant_id}", later_ui, 0)
ROUTE(GET, "/ui/{assistant_id}/{file}", later_ui, 0)

ROUTE(PUT, "/store/items", items_put, GW_JSON)
ROUTE(GET, "/store/items", items_get, 0)
ROUTE(DELETE, "/store/items", items_delete, GW_JSON)
ROUTE(POST, "/store/items/search", items_search, GW_MAYBE_JSON)
ROUTE(POST, "/store/namespaces", items_spaces, GW_MAYBE_JSON)
