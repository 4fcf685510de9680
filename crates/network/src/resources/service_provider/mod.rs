//! Service providers: who can do what flavors stand for (reference §13). This server
//! has one: routers carried by one L3 agent each.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::attribute::{Attribute, Check, Filter, ResourceType};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::http::{Context, keyed};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::{Rule, Target};
use isospin_api_kit::{Fault, view};
use serde_json::{Map, Value};

use crate::App;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// A provider on the wire.
pub const TYPE: ResourceType = ResourceType {
    name: "service_provider",
    collection: "service_providers",
    attributes: &[&[
        Attribute::read_only("service_type", Check::Text(255)).filter(Filter::Own).alias("service-type"),
        Attribute::read_only("name", Check::Text(255)).filter(Filter::Own).alias("service-type"),
        Attribute::read_only("default", Check::Bool).filter(Filter::Own).alias("service-type"),
    ]],
};

/// The service type of routers.
pub const ROUTERS: &str = "L3_ROUTER_NAT";

/// Somebody who provides a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    pub service_type: &'static str,
    pub name: &'static str,
    /// What a service profile names to mean this provider: the reference's own text,
    /// so that profiles made for it work here.
    pub driver: &'static str,
    pub default: bool,
}

/// Everybody there is.
pub const PROVIDERS: &[Provider] = &[Provider {
    service_type: ROUTERS,
    name: "single_node",
    driver: "neutron.services.l3_router.service_providers.single_node.SingleNodeDriver",
    default: true,
}];

/// The provider a profile's driver means.
#[must_use]
pub fn of_driver(driver: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.driver == driver)
}

/// Default rules.
const POLICY: &[Rule] = &[Rule::new("get_service_provider", "rule:admin_only or role:reader")];

/// What providers bring to the extension list.
const EXTENSIONS: &[Extension] = &[Extension {
    alias: "service-type",
    name: "Neutron Service Type Management",
    description: "API for retrieving service providers for Neutron advanced services",
    updated: "2013-01-20T00:00:00-00:00",
}];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URL of providers.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/service-providers").list(list)
}

/// `GET /v2.0/service-providers`
async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let (caller, target) = (&context.caller, Target::new());
    let shown = PROVIDERS
        .iter()
        .filter(|_| app.policy.allows("get_service_provider", caller, &target))
        .map(object)
        .filter(|provider| query.own.iter().all(|(name, wanted)| matches(provider, name, wanted)))
        .map(|provider| view::project(&TYPE, &app.policy, caller, &target, &query.fields, provider))
        .collect();
    Ok(keyed(StatusCode::OK, TYPE.collection, Value::Array(shown)))
}

fn object(provider: &Provider) -> Map<String, Value> {
    let values = [
        ("service_type", provider.service_type.into()),
        ("name", provider.name.into()),
        ("default", provider.default.into()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn matches(provider: &Map<String, Value>, name: &str, wanted: &[String]) -> bool {
    wanted.iter().any(|wanted| match provider.get(name) {
        Some(Value::Bool(flag)) => wanted.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
        Some(Value::String(text)) => text == wanted,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::TestApi;

    #[tokio::test]
    async fn providers_are_what_works() {
        let api = TestApi::new(isospin_store_kit::Engine::Sqlite).await;
        let get = async |path: &str| api.expect(200, "reader", "GET", path, Value::Null).await;
        let all = json!({"service_providers": [
            {"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": true},
        ]});
        assert_eq!(get("/v2.0/service-providers").await, all);
        assert_eq!(get("/v2.0/service_providers?default=True").await, all);
        let names = get("/v2.0/service-providers?service_type=L3_ROUTER_NAT&fields=name").await;
        assert_eq!(names, json!({"service_providers": [{"name": "single_node"}]}));
        assert_eq!(get("/v2.0/service-providers?name=ha").await, json!({"service_providers": []}));
        api.refused(400, "reader", "GET", "/v2.0/service-providers?driver=x", Value::Null).await;
        api.refused(405, "admin", "POST", "/v2.0/service-providers", json!({})).await;
    }
}
