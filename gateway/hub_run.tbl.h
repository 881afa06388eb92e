/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hub knows of where a run's log stands. RUN_PLACE(name, bits of the
 * places that may follow, "what it means")
 */
RUN_PLACE(IDLE, 1U << GW_RUN_LOST | 1U << GW_RUN_FOLLOWING,
          "nobody here wants its events; not subscribed")
RUN_PLACE(LOST, 1U << GW_RUN_IDLE | 1U << GW_RUN_FOLLOWING,
          "subscribed, asked the relay where the log stands")
RUN_PLACE(FOLLOWING, 1U << GW_RUN_IDLE | 1U << GW_RUN_GAP,
          "every event up to `shown` has been dealt out")
RUN_PLACE(GAP, 1U << GW_RUN_IDLE | 1U << GW_RUN_FOLLOWING,
          "some after `shown` are missing, asked for; later ones wait")
