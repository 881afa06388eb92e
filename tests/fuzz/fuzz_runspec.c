/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_runspec: any JSON as the body of a run. What is taken must become an
 * invocation that another process can read; what is refused must say where.
 */
#include <string.h>

#include "common/json.h"
#include "gateway/runspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compose(const struct gw_runspec *spec, enum gw_run_answer answer)
{
    leat_value *own = leat_pack("{s:{s:s}, s:s}", "configurable", "thread_id",
                                "own", "tags", "x");
    struct gw_run_base base = {
        .graph_id = "graph",
        .owner = "somebody",
        .assistant_config = own,
        .thread_config = own,
        .assistant_context = own,
        .assistant_metadata = own,
        .thread_metadata = own,
        .headers = leat_view_of(own),
        .answer = answer,
    };
    leat_value *kwargs = gw_runspec_kwargs(spec, &base);
    leat_value *metadata = gw_runspec_metadata(spec, &base);
    leat_value *packed = value_packed(kwargs);
    struct value_bytes bytes = value_bytes_of(packed);
    must(value_check(bytes.ptr, bytes.len) == bytes.len);
    leat_view configurable =
        leat_get(leat_get(leat_view_of(kwargs), "config"), "configurable");
    must(leat_is(leat_get(configurable, "graph_id"), "graph"));
    must(!leat_is(leat_get(configurable, "thread_id"), "own"));
    must(leat_count(leat_get(leat_view_of(kwargs), "stream_mode")) > 0);
    leat_drop(packed);
    leat_drop(metadata);
    leat_drop(kwargs);
    leat_drop(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_value *body;
    struct gw_runspec spec;
    struct err err = ERR_INIT;
    if (!json_parse((const char *)data, size, NULL, &body, &err)) {
        return 0;
    }
    err_clear(&err);
    if (!gw_runspec_parse(body, "", &spec, &err)) {
        must(err.code == ERR_INVALID && strstr(err.text, ": ") != NULL);
        return 0;
    }
    compose(&spec, GW_ANSWER_STREAM);
    compose(&spec, GW_ANSWER_BACKGROUND);
    gw_runspec_fini(&spec);
    return 0;
}
