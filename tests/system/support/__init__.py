# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: processes, HTTP, masks, expected shapes."""
