/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a live run, once.
 * RUN_STATE(NAME, "name", what the API shows, set of states that may follow,
 *           "meaning")
 * TO_X is the bit of state X.
 */
RUN_STATE(PENDING, "pending", "pending", TO_FENCING | TO_CLOSING | TO_ENDING |
          TO_RUNNING | TO_ADOPTING,
          "waits for its turn, its time, its reader or a worker; RUNNING when "
          "a worker thought lost comes back with it, ADOPTING at a restart")
RUN_STATE(FENCING, "fencing", "pending", TO_RUNNING | TO_PENDING | TO_ENDING |
          TO_CLOSING,
          "has a slot; relay and ledger are being told of the attempt")
RUN_STATE(RUNNING, "running", "running", TO_PENDING | TO_ENDING | TO_CLOSING,
          "a worker has it")
RUN_STATE(ADOPTING, "adopting", "running", TO_RUNNING | TO_PENDING |
          TO_ENDING | TO_CLOSING,
          "was running before the broker started; its worker may come back")
RUN_STATE(CLOSING, "closing", "running", TO_ENDING,
          "the broker ends it; the relay is writing the end of its log")
RUN_STATE(ENDING, "ending", "running", TO_ENDED,
          "it is over; the ledger is writing that down")
RUN_STATE(ENDED, "ended", "ended", 0, "written down and about to be freed")
