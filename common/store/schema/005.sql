-- SPDX-License-Identifier: Apache-2.0
-- Threads of a status in the order in which they are listed; moves only when
-- the status does.
DROP INDEX threads_status;
CREATE INDEX threads_status ON threads (status, created_at, thread_id);
