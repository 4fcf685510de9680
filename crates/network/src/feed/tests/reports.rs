//! What reports do to the status of ports, routers and floating IPs.

use isospin_feed::proto::item_status::State;
use isospin_feed::proto::{ItemStatus, Report};
use serde_json::json;

use super::super::reports;
use super::{create, id, join, network, port, shown, status};
use crate::testing::TestApi;

pub fn item(kind: &str, id: &str, party: &str, state: State) -> ItemStatus {
    ItemStatus {
        kind: kind.to_owned(),
        id: id.to_owned(),
        party: party.to_owned(),
        state: state as i32,
        reason: String::new(),
    }
}

pub async fn report(api: &TestApi, host: &str, items: Vec<ItemStatus>) {
    let before = *api.store().versions().borrow();
    reports::store(api.store(), host, Report { items, applied_version: 1 }, true).await.expect("stored");
    assert_eq!(*api.store().versions().borrow(), before, "a report woke the followers of changes");
}

#[tokio::test]
async fn a_port_is_active_when_every_party_has_reported() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "192.0.2.1").await;
        let network = network(&api, "10.1.0.0/24").await;
        let port = port(&api, &network, "h1").await;
        assert_eq!(status(&api, &port).await, "BUILD");
        report(&api, "h1", vec![item("port", &port, "l2", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "BUILD", "DHCP does not know it yet");
        report(&api, "h1", vec![item("port", &port, "dhcp", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
        // The other order, both at once, and repeated.
        let second = super::port(&api, &network, "h1").await;
        let both = vec![item("port", &second, "dhcp", State::Up), item("port", &second, "l2", State::Up)];
        report(&api, "h1", both.clone()).await;
        report(&api, "h1", both).await;
        assert_eq!(status(&api, &second).await, "ACTIVE");
    })
    .await;
}

#[tokio::test]
async fn a_port_whose_wiring_goes_must_be_reported_again() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.1.0.0/24").await;
        let port = port(&api, &network, "h1").await;
        let by_dhcp = item("port", &port, "dhcp", State::Up);
        report(&api, "h1", vec![item("port", &port, "l2", State::Up), by_dhcp.clone()]).await;
        for (state, shown) in [(State::Down, "DOWN"), (State::Failed, "ERROR")] {
            report(&api, "h1", vec![item("port", &port, "l2", state)]).await;
            assert_eq!(status(&api, &port).await, shown);
            report(&api, "h1", vec![by_dhcp.clone()]).await;
            assert_eq!(status(&api, &port).await, shown, "DHCP does not wire it");
            report(&api, "h1", vec![item("port", &port, "l2", State::Up)]).await;
            assert_eq!(status(&api, &port).await, "ACTIVE");
        }
        // DHCP that stops leaves a wired port working.
        report(&api, "h1", vec![item("port", &port, "dhcp", State::Failed)]).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
    })
    .await;
}

#[tokio::test]
async fn a_host_is_believed_only_about_what_is_bound_to_it() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        join(&api, "h2", "").await;
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let port = port(&api, &network, "h1").await;
        report(&api, "h2", vec![item("port", &port, "l2", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "BUILD");
        report(&api, "h1", vec![item("port", &port, "l2", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
        for state in [State::Down, State::Failed] {
            report(&api, "h2", vec![item("port", &port, "l2", state)]).await;
            assert_eq!(status(&api, &port).await, "ACTIVE");
        }
        // It moved: the old host is late.
        let path = format!("/v2.0/ports/{port}");
        api.expect(200, "admin", "PUT", &path, json!({"port": {"binding:host_id": "h2"}})).await;
        report(&api, "h1", vec![item("port", &port, "l2", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "BUILD");
        report(&api, "h2", vec![item("port", &port, "l2", State::Up)]).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
    })
    .await;
}

#[tokio::test]
async fn ports_that_are_off_or_unbound_are_never_active() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let off = json!({"network_id": network, "binding:host_id": "h1", "admin_state_up": false});
        let off = id(&create(&api, "ports", "port", off).await);
        let unbound = id(&create(&api, "ports", "port", json!({"network_id": network})).await);
        // No agent there can wire it.
        let failed = port(&api, &network, "h9").await;
        for port in [&off, &unbound, &failed] {
            for host in ["h1", "h9", ""] {
                report(&api, host, vec![item("port", port, "l2", State::Up)]).await;
            }
            assert_eq!(status(&api, port).await, "DOWN");
        }
    })
    .await;
}

#[tokio::test]
async fn floating_ips_and_routers_follow_the_l3_agent() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        join(&api, "h2", "").await;
        let external = id(&create(&api, "networks", "network", json!({"router:external": true})).await);
        let object =
            json!({"network_id": external, "ip_version": 4, "cidr": "172.24.0.0/24", "enable_dhcp": false});
        create(&api, "subnets", "subnet", object).await;
        let inner = network(&api, "10.1.0.0/24").await;
        let port = port(&api, &inner, "h1").await;
        let gateway = json!({"external_gateway_info": {"network_id": external}});
        let router = id(&create(&api, "routers", "router", gateway).await);
        let path = format!("/v2.0/networks/{inner}");
        let subnet =
            api.expect(200, "admin", "GET", &path, json!(null)).await["network"]["subnets"][0].clone();
        let path = format!("/v2.0/routers/{router}/add_router_interface");
        api.expect(200, "admin", "PUT", &path, json!({"subnet_id": subnet})).await;
        let object = json!({"floating_network_id": external, "port_id": port});
        let floating_ip = id(&create(&api, "floatingips", "floatingip", object).await);
        let agents = format!("/v2.0/routers/{router}/l3-agents");
        let agents = api.expect(200, "admin", "GET", &agents, json!(null)).await;
        let carrier = agents["agents"][0]["host"].as_str().expect("a host").to_owned();
        let other = if carrier == "h1" { "h2" } else { "h1" };

        let of = |state| vec![item("floating_ip", &floating_ip, "l3", state)];
        let status = async || shown(&api, "floatingips", "floatingip", &floating_ip, "status").await;
        assert_eq!(status().await, "DOWN");
        report(&api, other, of(State::Up)).await;
        assert_eq!(status().await, "DOWN", "another host carries the router");
        for (state, wanted) in [(State::Up, "ACTIVE"), (State::Failed, "ERROR"), (State::Down, "DOWN")] {
            report(&api, &carrier, of(state)).await;
            assert_eq!(status().await, wanted);
        }
        let of = |state| vec![item("router", &router, "l3", state)];
        let status = async || shown(&api, "routers", "router", &router, "status").await;
        for (state, wanted) in
            [(State::Up, "ACTIVE"), (State::Down, "ACTIVE"), (State::Failed, "ERROR"), (State::Up, "ACTIVE")]
        {
            report(&api, &carrier, of(state)).await;
            report(&api, other, of(State::Failed)).await;
            assert_eq!(status().await, wanted);
        }
    })
    .await;
}

#[tokio::test]
async fn a_network_that_loses_its_dhcp_leaves_no_port_waiting_for_it() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = network(&api, "10.1.0.0/24").await;
        let port = port(&api, &network, "h1").await;
        report(&api, "h1", vec![item("port", &port, "l2", State::Up)]).await;
        let unwired = super::port(&api, &network, "h1").await;
        assert_eq!(status(&api, &port).await, "BUILD");
        let path = format!("/v2.0/networks/{network}");
        let subnet =
            api.expect(200, "admin", "GET", &path, json!(null)).await["network"]["subnets"][0].clone();
        let path = format!("/v2.0/subnets/{}", subnet.as_str().expect("an id"));
        api.expect(200, "admin", "PUT", &path, json!({"subnet": {"enable_dhcp": false}})).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
        assert_eq!(status(&api, &unwired).await, "BUILD");
    })
    .await;
}

#[tokio::test]
async fn a_report_may_name_more_items_than_a_statement_takes_parameters() {
    TestApi::on_each_engine(|api| async move {
        join(&api, "h1", "").await;
        let network = id(&create(&api, "networks", "network", json!({})).await);
        let port = port(&api, &network, "h1").await;
        let unknown = || uuid::Uuid::new_v4().to_string();
        let mut items: Vec<_> = (0..70_000).map(|_| item("port", &unknown(), "l2", State::Up)).collect();
        items.push(item("port", &port, "l2", State::Up));
        report(&api, "h1", items).await;
        assert_eq!(status(&api, &port).await, "ACTIVE");
    })
    .await;
}
