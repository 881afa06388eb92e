# SPDX-License-Identifier: Apache-2.0
"""Cannot be imported."""
import no_such_library  # noqa: F401
