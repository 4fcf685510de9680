//! The time shown in `created_at` and `updated_at`.

/// Now, in UTC, to the second: `2026-11-20T09:03:34Z`.
#[must_use]
pub fn now_seconds() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
