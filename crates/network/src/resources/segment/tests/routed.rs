//! Routed networks: subnets on segments, and addresses that wait for a host.

use super::*;

/// A network with a flat segment on each of two physical networks.
struct Routed {
    network: String,
    segments: Vec<String>,
}

impl Routed {
    async fn new(api: &TestApi) -> Self {
        host(api, "left", "p1").await;
        host(api, "right", "p2").await;
        host(api, "astray", "p3").await;
        let flat = |name: &str| json!({"provider:network_type": "flat", "provider:physical_network": name});
        let network = network(api, json!({"shared": true, "segments": [flat("p1"), flat("p2")]})).await;
        let mut segments = segments(api, &format!("network_id={network}")).await;
        segments.sort_by_key(|one| one["physical_network"].as_str().map(str::to_owned));
        let segments: Vec<String> = segments.iter().map(id).collect();
        let routed = Self { network, segments };
        for at in 0..2 {
            let cidr = format!("10.{}.0.0/24", at + 1);
            let object = json!({"cidr": cidr, "segment_id": routed.segments[at], "enable_dhcp": false});
            routed.subnet(api, object).await;
        }
        routed
    }

    async fn subnet(&self, api: &TestApi, mut object: Value) -> Value {
        object["network_id"] = json!(self.network);
        object["ip_version"] = json!(4);
        api.create("admin", "/v2.0/subnets", "subnet", object).await
    }

    async fn port(&self, api: &TestApi, mut object: Value) -> Value {
        object["network_id"] = json!(self.network);
        api.create("admin", "/v2.0/ports", "port", object).await
    }

    async fn refused_port(&self, api: &TestApi, status: u16, mut object: Value) -> String {
        object["network_id"] = json!(self.network);
        api.refused(status, "admin", "POST", "/v2.0/ports", json!({"port": object})).await.0
    }
}

async fn update(api: &TestApi, port: &Value, object: Value) -> Value {
    let path = format!("/v2.0/ports/{}", id(port));
    api.expect(200, "admin", "PUT", &path, json!({"port": object})).await["port"].take()
}

async fn refused(api: &TestApi, status: u16, port: &Value, object: Value) -> String {
    let path = format!("/v2.0/ports/{}", id(port));
    api.refused(status, "admin", "PUT", &path, json!({"port": object})).await.0
}

fn address(port: &Value) -> &str {
    port["fixed_ips"][0]["ip_address"].as_str().unwrap_or("")
}

#[tokio::test]
async fn addresses_wait_for_the_host_and_are_of_its_segment() {
    on_each_engine(|api| async move {
        let routed = Routed::new(&api).await;
        let path = format!("/v2.0/networks/{}", routed.network);
        let shown = api.expect(200, "admin", "GET", &path, Value::Null);
        assert_eq!(shown.await["network"]["l2_adjacency"], false);
        let port = routed.port(&api, json!({})).await;
        assert_eq!((&port["ip_allocation"], &port["fixed_ips"]), (&json!("deferred"), &json!([])));
        let listed = api.expect(200, "admin", "GET", "/v2.0/ports?ip_allocation=deferred", Value::Null).await;
        assert_eq!(listed["ports"][0]["id"], port["id"]);
        assert_eq!(
            refused(&api, 409, &port, json!({"binding:host_id": "astray"})).await,
            "HostNotConnectedToAnySegment"
        );
        let bound = update(&api, &port, json!({"binding:host_id": "right"})).await;
        assert_eq!((bound["ip_allocation"].as_str(), address(&bound)), (Some("immediate"), "10.2.0.2"));
        // It keeps its address, so it cannot go where that does not work.
        assert_eq!(
            refused(&api, 409, &port, json!({"binding:host_id": "left"})).await,
            "HostNotCompatibleWithFixedIps"
        );
        let parted = update(&api, &port, json!({"binding:host_id": ""})).await;
        assert_eq!(address(&parted), "10.2.0.2");
        let at_once = routed.port(&api, json!({"binding:host_id": "left"})).await;
        assert_eq!((at_once["ip_allocation"].as_str(), address(&at_once)), (Some("immediate"), "10.1.0.2"));
        assert_eq!(
            routed.refused_port(&api, 409, json!({"binding:host_id": "astray"})).await,
            "HostNotConnectedToAnySegment"
        );
    })
    .await;
}

#[tokio::test]
async fn named_addresses_are_given_at_once_but_of_one_segment_only() {
    on_each_engine(|api| async move {
        let routed = Routed::new(&api).await;
        let port = routed.port(&api, json!({"fixed_ips": [{"ip_address": "10.1.0.9"}]})).await;
        assert_eq!((port["ip_allocation"].as_str(), address(&port)), (Some("immediate"), "10.1.0.9"));
        let two = json!([{"ip_address": "10.1.0.10"}, {"ip_address": "10.2.0.10"}]);
        assert_eq!(
            routed.refused_port(&api, 400, json!({"fixed_ips": two})).await,
            "FixedIPsSubnetsNotOnSameSegment"
        );
        assert_eq!(
            refused(&api, 400, &port, json!({"fixed_ips": two})).await,
            "FixedIPsSubnetsNotOnSameSegment"
        );
        assert_eq!(
            refused(&api, 409, &port, json!({"binding:host_id": "right"})).await,
            "HostNotCompatibleWithFixedIps"
        );
        let none = routed.port(&api, json!({"fixed_ips": []})).await;
        assert_eq!(none["ip_allocation"], "none");
        let bound = update(&api, &none, json!({"binding:host_id": "left"})).await;
        assert_eq!(bound["fixed_ips"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn all_subnets_of_a_network_are_on_segments_or_none_is() {
    on_each_engine(|api| async move {
        let routed = Routed::new(&api).await;
        let post = async |segment: Value, net: &str| {
            let object =
                json!({"network_id": net, "ip_version": 4, "cidr": "10.9.0.0/24", "segment_id": segment});
            api.refused(400, "admin", "POST", "/v2.0/subnets", json!({"subnet": object})).await.0
        };
        assert_eq!(post(Value::Null, &routed.network).await, "SubnetsNotAllAssociatedWithSegments");
        let other = network(&api, json!({})).await;
        assert_eq!(post(json!(routed.segments[0]), &other).await, "NetworkIdsDontMatch");
        let object =
            json!({"network_id": other, "ip_version": 4, "cidr": "10.9.0.0/24", "segment_id": NOWHERE});
        let nowhere = json!({ "subnet": object });
        let (kind, _) = api.refused(404, "admin", "POST", "/v2.0/subnets", nowhere).await;
        assert_eq!(kind, "SegmentNotFound");
        let listed = format!("/v2.0/subnets?segment_id={}", routed.segments[1]);
        let listed = api.expect(200, "admin", "GET", &listed, Value::Null).await;
        assert_eq!(listed["subnets"][0]["cidr"], "10.2.0.0/24");
        let member = api.expect(200, "member", "GET", "/v2.0/subnets", Value::Null).await;
        assert!(member["subnets"][0].get("segment_id").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_network_becomes_routed_by_its_only_subnet() {
    on_each_engine(|api| async move {
        let net = network(&api, json!({})).await;
        let own = id(&segments(&api, &format!("network_id={net}")).await[0]);
        let subnet = async |net: &str, cidr: &str| {
            let object = json!({"network_id": net, "ip_version": 4, "cidr": cidr});
            id(&api.create("admin", "/v2.0/subnets", "subnet", object).await)
        };
        let put = async |status: u16, subnet: &str, segment: Value| {
            let path = format!("/v2.0/subnets/{subnet}");
            let body = json!({"subnet": {"segment_id": segment}});
            api.expect(status, "admin", "PUT", &path, body).await
        };
        let kind = |answer: Value| answer["NeutronError"]["type"].as_str().unwrap_or("").to_owned();
        let first = subnet(&net, "10.1.0.0/24").await;
        let changed = put(200, &first, json!(own)).await;
        assert_eq!(changed["subnet"]["segment_id"], json!(own));
        let shown = api.expect(200, "admin", "GET", &format!("/v2.0/networks/{net}"), Value::Null).await;
        assert_eq!(shown["network"]["l2_adjacency"], false);
        put(200, &first, json!(own)).await;
        assert_eq!(kind(put(400, &first, Value::Null).await), "SubnetSegmentAssociationChangeNotAllowed");
        let many = network(&api, json!({})).await;
        let own = id(&segments(&api, &format!("network_id={many}")).await[0]);
        let only = subnet(&many, "10.1.0.0/24").await;
        let more = segment(&api, &many, json!({"network_type": "vxlan"})).await;
        let refused = kind(put(400, &only, json!(own)).await);
        assert_eq!(refused, "NoUpdateSubnetWhenMultipleSegmentsOnNetwork");
        api.expect(204, "admin", "DELETE", &format!("/v2.0/segments/{}", id(&more)), Value::Null).await;
        subnet(&many, "10.2.0.0/24").await;
        assert_eq!(kind(put(400, &only, json!(own)).await), "SubnetsNotAllAssociatedWithSegments");
        let path = format!("/v2.0/subnets/{only}");
        let body = json!({"subnet": {"segment_id": own}});
        api.refused(404, "other", "PUT", &path, body).await;
    })
    .await;
}
