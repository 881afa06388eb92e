/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a stream. STREAM_STATE(name, bits of the states that may
 * follow, "what it means")
 */
STREAM_STATE(UNATTACHED, 1U << GW_STREAM_OPEN | 1U << GW_STREAM_ENDED |
                             1U << GW_STREAM_LEFT,
             "collects events; its socket is still with the HTTP thread")
STREAM_STATE(OPEN, 1U << GW_STREAM_FINISHING | 1U << GW_STREAM_LEFT,
             "has its socket and more may come")
STREAM_STATE(ENDED, 1U << GW_STREAM_FINISHING | 1U << GW_STREAM_LEFT,
             "complete, before its socket came")
STREAM_STATE(FINISHING, 1U << GW_STREAM_LEFT,
             "complete, closes when all is written")
STREAM_STATE(LEFT, 0, "nobody reads it any more")
