use isospin_host_io::{BridgeSpec, Place, process};

use super::*;

#[tokio::test]
async fn notices_add_up_until_taken() {
    let notices = HostNotices::new();
    let other = notices.clone();
    other.link("tap1");
    other.link("tap1");
    other.link("tap2");
    notices.changed().await;
    let noticed = notices.take();
    assert_eq!(noticed.links, BTreeSet::from(["tap1".to_owned(), "tap2".to_owned()]));
    assert!(!noticed.everything);
    assert_eq!(notices.take(), Noticed::default());
    other.everything();
    notices.changed().await;
    assert!(notices.take().everything);
}

#[test]
fn only_namespaces_of_the_agent_count() {
    assert!(is_ours("qrouter-0") && is_ours("qdhcp-0"));
    assert!(!is_ours("docker-0") && !is_ours("myqdhcp-"));
}

/// A namespace that is gone when the test ends, however it ends.
struct Lab(Namespace);

impl Lab {
    /// `None`, said aloud, where the test cannot run.
    fn new(prefix: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: needs root to make network namespaces");
            return None;
        }
        let name = format!("{prefix}{}", uuid::Uuid::new_v4());
        Some(Self(Namespace::create(&name).expect("namespace")))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Namespace::delete(self.0.name());
    }
}

/// Waits for a notice; the limit only ends a failing test.
async fn until(notices: &HostNotices, mut wanted: impl FnMut(&Noticed) -> bool) {
    let found = async {
        loop {
            notices.changed().await;
            if wanted(&notices.take()) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("no notice within 20 s");
}

#[tokio::test]
async fn devices_and_rules_changed_by_others_are_noticed_and_our_own_rules_are_not() {
    let Some(lab) = Lab::new("notices-") else { return };
    let place = Place::Namespace(lab.0.clone());
    let (links, nft) = (Links::open(&place).await.expect("links"), Nft::open(place.clone()));
    let (notices, shutdown) = (HostNotices::new(), CancellationToken::new());
    watch(notices.clone(), links.clone(), nft, shutdown.clone()).await.expect("watching");

    // By a door of its own, as a mechanism has it.
    Nft::open(place.clone()).apply("add table inet ours").await.expect("own rules");
    links.create_bridge("brq0", &BridgeSpec::default()).await.expect("bridge");
    let mut everything = false;
    until(&notices, |noticed| {
        everything |= noticed.everything;
        noticed.links.contains("brq0")
    })
    .await;
    assert!(!everything, "our own transaction called for a look at everything");

    let delete = ["delete", "table", "inet", "ours"];
    process::run(&place, "nft", &delete, b"", process::DEFAULT_LIMIT).await.expect("foreign rules");
    until(&notices, |noticed| noticed.everything).await;
    links.delete("brq0").await.expect("deleted");
    until(&notices, |noticed| noticed.links.contains("brq0")).await;
    shutdown.cancel();
}

#[tokio::test]
async fn a_namespace_of_the_agent_that_goes_is_noticed() {
    let (Some(place), Some(known)) = (Lab::new("notices-"), Lab::new("qdhcp-")) else { return };
    let place = Place::Namespace(place.0.clone());
    let (links, nft) = (Links::open(&place).await.expect("links"), Nft::open(place));
    let (notices, shutdown) = (HostNotices::new(), CancellationToken::new());
    watch(notices.clone(), links, nft, shutdown.clone()).await.expect("watching");

    // One that was there before, and one the agent makes while it watches.
    Namespace::delete(known.0.name()).expect("deleted");
    until(&notices, |noticed| noticed.everything).await;
    let made = Lab::new("qrouter-").expect("root");
    Namespace::delete(made.0.name()).expect("deleted");
    until(&notices, |noticed| noticed.everything).await;
    shutdown.cancel();
}
