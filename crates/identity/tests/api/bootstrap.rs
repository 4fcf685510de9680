//! Filling an empty service, again and again.

use isospin_identity::bootstrap::{Administrator, BootstrapSpec, ServiceSpec, bootstrap};
use serde_json::json;

use crate::service::{Service, by_password, on_each, project, spec};

async fn counts(service: &Service) -> Vec<(&'static str, usize)> {
    let mut counts = Vec::new();
    for name in
        ["domains", "projects", "users", "roles", "services", "endpoints", "regions", "role_assignments"]
    {
        let answer = service.admin("GET", &format!("/v3/{name}"), None).await;
        counts.push((name, answer.body[name].as_array().expect("a list").len()));
    }
    counts
}

#[tokio::test]
async fn a_second_bootstrap_changes_nothing_but_urls() {
    on_each(|service| async move {
        let before = counts(&service).await;
        assert_eq!(
            before,
            [
                ("domains", 1),
                ("projects", 3),
                ("users", 2),
                ("roles", 5),
                ("services", 2),
                ("endpoints", 6),
                ("regions", 1),
                ("role_assignments", 4),
            ]
        );
        let moved = BootstrapSpec {
            services: ServiceSpec::both("http://identity.test:5001/", "http://network.test:9999"),
            admin: Administrator::usual("not used"),
            ..spec()
        };
        let ids = bootstrap(&service.app, moved).await.expect("a second bootstrap");
        assert_eq!(ids, service.ids);
        assert_eq!(counts(&service).await, before);
        let mut urls = service.admin("GET", "/v3/endpoints", None).await.all("endpoints", "url");
        urls.sort();
        urls.dedup();
        assert_eq!(urls, ["http://identity.test:5001/v3", "http://network.test:9999/"]);
        let old = service.auth(by_password("admin", "admin-secret", project("admin"))).await;
        assert_eq!(old.status, 201, "the password stays");
        let catalog = &old.body["token"]["catalog"];
        assert!(catalog.to_string().contains("http://network.test:9999/"), "{catalog}");
    })
    .await;
}

#[tokio::test]
async fn passwords_are_reset_only_when_asked_and_end_the_tokens_of_before() {
    on_each(|service| async move {
        let demo = service.demo().await;
        let reset = BootstrapSpec {
            admin: Administrator::usual("new-admin"),
            demo_password: Some("new-demo".to_owned()),
            reset_passwords: true,
            ..spec()
        };
        bootstrap(&service.app, reset).await.expect("a bootstrap");
        assert!(service.app.authenticator().authenticate(&demo).await.is_err());
        assert_eq!(service.auth(by_password("demo", "demo-secret", project("demo"))).await.status, 401);
        service.login("demo", "new-demo", project("demo")).await;
        service.login("admin", "new-admin", json!({"system": {"all": true}})).await;
    })
    .await;
}

#[tokio::test]
async fn two_servers_that_start_together_make_one_of_each() {
    on_each(|service| async move {
        let (other, _) = service.beside(|_| {}).await;
        let before = counts(&service).await;
        let (one, two) = tokio::join!(bootstrap(&service.app, spec()), bootstrap(&other, spec()));
        assert_eq!(one.expect("a bootstrap"), two.expect("a bootstrap"));
        assert_eq!(counts(&service).await, before);
    })
    .await;
}

#[tokio::test]
async fn names_and_urls_are_those_asked_for() {
    on_each(|service| async move {
        let administrator = Administrator {
            name: "root".to_owned(),
            password: "root-secret".to_owned(),
            project: "operations".to_owned(),
            role: "Operator".to_owned(),
        };
        let urls = vec![
            ("public", "http://public.test/v3".to_owned()),
            ("internal", "http://in.test/v3".to_owned()),
        ];
        let other = BootstrapSpec {
            admin: administrator,
            demo_password: None,
            reset_passwords: true,
            region: "RegionTwo".to_owned(),
            services: vec![ServiceSpec::identity("identity", urls)],
        };
        for _ in 0..2 {
            bootstrap(&service.app, other.clone()).await.expect("a bootstrap");
        }
        let answer = service.auth(by_password("root", "root-secret", project("operations"))).await;
        assert_eq!(answer.body["token"]["roles"][0]["name"], "Operator", "{answer:?}");
        assert_eq!(answer.body["token"]["roles"].as_array().map(Vec::len), Some(1));
        let endpoints = service.admin("GET", "/v3/endpoints?region_id=RegionTwo", None).await;
        let mut urls = endpoints.all("endpoints", "url");
        urls.sort();
        assert_eq!(urls, ["http://in.test/v3", "http://public.test/v3"]);
        service.login("root", "root-secret", json!({"system": {"all": true}})).await;
    })
    .await;
}
