//! Tests that need root say so aloud when they cannot run.

/// Whether this process is root. Where it is not, a line says that the test was
/// skipped; in CI (`CI=true`) that is a failure, for nobody would read the line.
///
/// # Panics
/// In CI without root.
#[must_use]
#[expect(clippy::print_stderr, reason = "a skipped test is said aloud")]
pub fn may_run_as_root(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs root, and CI may not skip it");
    eprintln!("SKIPPED {test}: it needs root");
    false
}
