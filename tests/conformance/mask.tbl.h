/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every difference between a recording and Leat that is meant to be, once.
 *
 * MASK(name, side, libraries, where the specification says so, why)
 *   side       RECORDED: the recording is rewritten to what Python would have
 *              said, so that the comparison stays exact. BOTH: a detail that
 *              both sides may have their own way is taken off both.
 *   libraries  V14 (LangGraph.js 1.4), V17 (1.7), PY (Python, expectations)
 * The function is mask_<name>() in mask_*.c; rows run from top to bottom.
 */
/* clang-format off */

/* --- errors -------------------------------------------------------------- */
MASK(error_text, RECORDED, V14 | V17,
     "streaming.md 9, error text suffix; engine.md 2, 4.1, 4.4, 10",
     "class names and texts are Python's; JS does not tell the label that a "
     "branch has no target for")

/* --- which events there are ---------------------------------------------- */
MASK(tools_mode, RECORDED, V14 | V17,
     "engine.md 13",
     "the recorder asked trace 44 for a mode `tools` that only JS has")
MASK(static_interrupt, RECORDED, V14 | V17,
     "streaming.md 9, values at static interrupt",
     "JS emits values {\"__interrupt__\": []} and has it in the output of "
     "invoke, Python nothing")
MASK(parent_command, RECORDED, V14 | V17,
     "engine.md 6.4",
     "JS emits an empty task result for a node that left for its parent")
MASK(aborted_sibling, RECORDED, V14 | V17,
     "engine.md 8.1",
     "JS shows an aborted sibling as an empty result and records an "
     "AbortError, Python shows nothing and records CancelledError()")
MASK(nested_custom, RECORDED, V14 | V17,
     "streaming.md 9, nested messages and custom with subgraphs=false",
     "JS emits custom of nested graphs that were not asked for")
MASK(nested_messages, RECORDED, V14,
     "streaming.md 9 and 10, the same row",
     "JS 1.4 emits nested pieces instead of the node's whole message")
MASK(command_messages, RECORDED, V14,
     "streaming.md 9 and 10, Command.update messages in messages mode",
     "JS 1.4 does not find them, Python does")
MASK(cached_order, BOTH, V14 | V17,
     "streaming.md 9, cached updates",
     "cached updates may stand before or after the start of their tasks")
MASK(reload_order, BOTH, V14 | V17,
     "streaming.md 9, order of next/tasks after reload",
     "as declared in JS, by name in Python")
MASK(restored_starts, BOTH, V14 | V17,
     "streaming.md 3.4",
     "JS shows no starts when all tasks of a loaded checkpoint are restored")
MASK(last_chunk, RECORDED, PY,
     "streaming.md 3.7",
     "newer Python closes a model's answer with one empty chunk")

/* --- checkpoints --------------------------------------------------------- */
MASK(checkpoint_config, BOTH, V14 | V17 | PY,
     "streaming.md 3.5",
     "JS shows metadata, recursion_limit and tags beside configurable; so does "
     "Python for the state of a thread that has none, and for the metadata "
     "of a checkpoint that was loaded")
MASK(checkpoint_parent, RECORDED, V14 | V17,
     "streaming.md 3.5",
     "the engine key is parentConfig in JS, and absent when there is none")
MASK(checkpoint_map, RECORDED, V14 | V17,
     "engine.md 9, config",
     "JS streams the map without the checkpoint's own entry, and none for a "
     "parent that was loaded")
MASK(checkpoint_tasks, RECORDED, V14 | V17,
     "streaming.md 9, checkpoint tasks",
     "JS has path, no null state, and interrupts beside an error")
MASK(no_memory_state, RECORDED, V14 | V17,
     "engine.md 6.2",
     "JS names a place for the state of a graph that keeps none")
MASK(exit_config, BOTH, V14 | V17,
     "engine.md 4.6",
     "with durability exit JS shows no checkpoint_id while the run goes on, "
     "for a nested graph neither in checkpoint_map")

/* --- tasks --------------------------------------------------------------- */
MASK(task_interrupts, RECORDED, V14 | V17,
     "streaming.md 9, task start payload",
     "JS shows an empty list of interrupts when a task starts")
MASK(task_integration, BOTH, V14 | V17,
     "streaming.md 4, ls_integration",
     "JS's core adds ls_integration to the metadata of a run, Python's server "
     "does and its library does not")
MASK(task_error, RECORDED, V14 | V17,
     "streaming.md 9 and 10, task result payload",
     "JS has no error (1.4) or {message, name} (1.7), Python null or its "
     "repr")
MASK(empty_update, RECORDED, V14 | V17,
     "streaming.md 9, updates for empty output",
     "JS shows {}, Python null")
MASK(interrupt_ids, RECORDED, V17,
     "streaming.md 10, interrupt id of the 2nd, 3rd... interrupt()",
     "one id per task in Python, one per answer in JS 1.7")
MASK(triggers, RECORDED, V14 | V17,
     "streaming.md 9, triggers",
     "JS names the trigger that fired first, Python all of the node")
MASK(send_path, BOTH, V14 | V17,
     "streaming.md 9 and 10, Send path",
     "two elements or three, the third is false")

MASK(interrupt_order, BOTH, PY,
     "engine.md 6.3",
     "several interrupts of a nested graph come in the order of a set in "
     "Python")

/* --- values -------------------------------------------------------------- */
MASK(output_schema, RECORDED, V14 | V17,
     "streaming.md 9, values/updates keys in server",
     "values and updates show the keys of the output schema only")
MASK(interrupt_values, RECORDED, V14 | V17,
     "streaming.md 9, values at dynamic interrupt",
     "JS shows only __interrupt__, Python the state as well")

/* --- events ----------------------------------------------------------------- */
MASK(v2_left_out, BOTH, V14 | V17 | PY,
     "streaming.md 6",
     "hidden events are dropped; on_chain_stream of the root is the other "
     "modes once more, that of nodes is Python's")
MASK(v2_fields, BOTH, V14 | V17 | PY,
     "streaming.md 6 and 9, parent_ids in events",
     "parent_ids and the root's input at its end are Python's; versions, "
     "ls_integration and tags in metadata as with messages")
MASK(v2_python, BOTH, PY,
     "streaming.md 3.7, 4, 6 and 9",
     "Python tags the parts of a node seq:step:N, closes an answer with one "
     "empty chunk, and names provider and model after its class; its library "
     "has checkpoint_ns only where a model put it")
MASK(v2_chunk, RECORDED, V14 | V17,
     "streaming.md 9, message chunk type",
     "a chunk has the type `ai` in JS")

/* --- messages ------------------------------------------------------------ */
MASK(message_namespace, RECORDED, V14,
     "streaming.md 9 and 10, messages namespace",
     "JS 1.4 names the task, Python the graph that holds it")
MASK(message_fields, BOTH, V14 | V17 | PY,
     "streaming.md 9, unset message fields and chunk type; 10, reducer keeps"
     " chunks",
     "unset fields are left out in JS and null in Python; chunks have a type"
     " of their own in Python and stay chunks in JS")
MASK(message_metadata, BOTH, V14 | V17 | PY,
     "streaming.md 4 and 9, metadata tags",
     "JS: empty tags, graph:step tags and name for node output, versions, "
     "ls_integration of the model's core; in Python ls_provider names "
     "the model's class; Python's library has checkpoint_ns (that of the "
     "graph) only where a model put it; checkpoint_id is that of a config")
MASK(tool_error_text, RECORDED, V14 | V17,
     "engine.md 11.5",
     "the text for an unknown tool is Python's")
MASK(tool_json, BOTH, V14 | V17,
     "engine.md 11.5",
     "a tool's answer that is no text becomes JSON, in Python with blanks")
MASK(message_ids, BOTH, V14 | V17 | PY,
     "engine.md 11.3 and streaming.md 3.7",
     "made-up ids: run-<uuid>, lc_run--<uuid>, run-<uuid>-tool-<call>, or a "
     "uuid")

/* --- states -------------------------------------------------------------- */
MASK(state_metadata, BOTH, V14 | V17 | PY,
     "engine.md 3, metadata",
     "what a saver stores beside source, step and parents is its host's")
MASK(state_fields, RECORDED, V14 | V17,
     "engine.md 9",
     "Python has interrupts and a null parent_config; JS leaves them out")
MASK(state_writes, BOTH, PY,
     "engine.md 1.3",
     "what an update and a run wrote under one task comes in the order of "
     "their indexes or, from Python's saver in memory, as it came")
MASK(state_error, RECORDED, V14 | V17,
     "streaming.md 9, get_state with error task",
     "{message, name} in JS, Python's repr")
MASK(state_result, BOTH, V14,
     "streaming.md 10, task result in snapshots",
     "JS 1.4 hides the result of a task that has interrupts or an error")
MASK(state_empty_result, BOTH, V14 | V17,
     "engine.md 9, result",
     "a task that wrote nothing to the state has {} in Python, none in JS")
MASK(update_result, BOTH, V14 | V17,
     "engine.md 10",
     "Python writes an update under the id of the task that was next, so that "
     "the history shows it as that task's result; JS under an id of its own")
MASK(state_of_failed, BOTH, V14 | V17,
     "engine.md 9",
     "JS leaves out the state of a task with an error")

/* --- the rest ------------------------------------------------------------ */
MASK(timestamps, BOTH, V14 | V17 | PY,
     "engine.md 13, normalisation",
     "times differ")

/*
 * EXPECT(trace, library, file, why): compared with what Python did, because
 * the difference changes everything after it.
 */
EXPECT("23", V14 | V17, "23.expect.json",
       "bare resume with several pending: RuntimeError")
EXPECT("54", V14 | V17, "54.expect.json",
       "Command(update/goto) resumes the same checkpoint")
EXPECT("75", V14, "75.expect.json",
       "falsy resume values are answers")
EXPECT("20", V17, "20-1.7.3.expect.json",
       "one interrupt id per task")
