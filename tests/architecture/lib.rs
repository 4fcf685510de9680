//! Rules about the workspace itself; see `tests/`.
