//! The types of rules that can be used here: those the loaded mechanism drivers carry
//! out. Nothing of it is stored.

#[cfg(test)]
mod tests;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use isospin_api_kit::attribute::{Attribute, Check, Filter, Form, ResourceType, Show, check};
use isospin_api_kit::extension::Extension;
use isospin_api_kit::http::{Context, answer, keyed};
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::policy::{Rule, Target};
use isospin_api_kit::{Fault, FaultType, view};
use serde_json::{Map, Value, json};

use crate::App;
use crate::drivers::{self, MechanismDriver, qos};
use crate::resources::qos_rule::kind::Kind;
use crate::resources::registration::Resource;
use crate::routes::{Collection, Routes};

/// Default rules: the list is for everybody; details are for administrators, which
/// the reference does not leave to policy.
const POLICY: &[Rule] = &[Rule::new("get_rule_type", "role:reader or rule:admin_only")];

/// A type on the wire (reference/network-api-core §17).
pub const TYPE: ResourceType =
    ResourceType { name: "rule_type", collection: "rule_types", attributes: &[ATTRIBUTES] };

const ATTRIBUTES: &[Attribute] = &[
    Attribute::read_only("type", Check::Text(64)).filter(Filter::Own).alias("qos"),
    Attribute::read_only("drivers", Check::Object).form(DRIVERS).alias("qos-rule-type-details"),
    Attribute::read_only(ALL_SUPPORTED, Check::Bool)
        .show(Show::Never)
        .filter(Filter::Own)
        .alias("qos-rule-type-filter"),
    Attribute::read_only(ALL_RULES, Check::Bool)
        .show(Show::Never)
        .filter(Filter::Own)
        .alias("qos-rule-type-filter"),
];

/// A parameter's values are a list of choices, or the bounds of a range.
const DRIVERS: Form = Form::List(&Form::Whole(&[
    ("name", Form::Text),
    (
        "supported_parameters",
        Form::List(&Form::Object(&[
            ("parameter_name", Form::Text),
            ("parameter_type", Form::OneOf(&["choices", "range"])),
            ("parameter_values", Form::Plain),
        ])),
    ),
]));

const ALL_SUPPORTED: &str = "all_supported";
const ALL_RULES: &str = "all_rules";

/// What works.
const EXTENSIONS: &[Extension] = &[
    Extension {
        alias: "qos-rule-type-details",
        name: "Details of QoS rule types",
        description: "Expose details about QoS rule types supported by loaded backend drivers",
        updated: "2017-06-22T10:00:00-00:00",
    },
    Extension {
        alias: "qos-rule-type-filter",
        name: "Allow to filter the list of QoS rule types",
        description: "Allows to filter the QoS rule type list adding two new flags. \"all_rules\" prints all \
                      implemented QoS rule types.\"all_supported\" prints all supported QoS rule types by the loaded \
                      mechanism drivers",
        updated: "2022-02-02T10:00:00-00:00",
    },
];

/// What this folder brings to the API.
pub const RESOURCE: Resource = Resource::new(POLICY, || routes().into()).extensions(EXTENSIONS);

/// The URLs of rule types.
fn routes() -> Collection {
    Routes::of(TYPE, "/v2.0/qos/rule-types").list(list).show(show)
}

/// `GET /v2.0/qos/rule-types`
async fn list(State(app): State<App>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    let kinds: Vec<Kind> = if flag(&query, ALL_RULES)? {
        Kind::ALL.to_vec()
    } else if flag(&query, ALL_SUPPORTED)? {
        qos::any_kinds().collect()
    } else {
        qos::common_kinds().collect()
    };
    let named = query.own.iter().find(|(attribute, _)| *attribute == "type").map(|(_, names)| names);
    let wanted = |kind: &Kind| named.is_none_or(|names| names.iter().any(|name| name == kind.as_str()));
    let target = Target::new();
    let allowed = app.policy.allows("get_rule_type", &context.caller, &target);
    let items: Vec<Value> = kinds
        .into_iter()
        .filter(|kind| allowed && wanted(kind))
        .map(|kind| {
            let object: Map<String, Value> =
                [("type".to_owned(), kind.as_str().into())].into_iter().collect();
            view::project(&TYPE, &app.policy, &context.caller, &target, &query.fields, object)
        })
        .collect();
    Ok(answer(StatusCode::OK, &json!({ TYPE.collection: items })))
}

fn flag(query: &ListQuery, name: &str) -> Result<bool, Fault> {
    let given = query.own.iter().find(|(attribute, _)| *attribute == name);
    match given.and_then(|(_, values)| values.first()) {
        Some(text) => check::boolean(&Value::from(text.as_str())).map_err(Fault::invalid_input),
        None => Ok(false),
    }
}

/// `GET /v2.0/qos/rule-types/{name}`
async fn show(State(app): State<App>, Path(name): Path<String>, context: Context) -> Result<Response, Fault> {
    let query = ListQuery::parse(&TYPE, &context.query, 0)?;
    if !context.caller.is_admin() {
        return Err(Fault::new(FaultType::NotAuthorized, "Not authorized."));
    }
    let kind: Kind = name.parse().map_err(|_| Fault::not_found())?;
    let drivers: Vec<Value> = drivers::DRIVERS.iter().filter_map(|driver| details(driver, kind)).collect();
    let object: Map<String, Value> =
        [("type".to_owned(), Value::from(kind.as_str())), ("drivers".to_owned(), Value::Array(drivers))]
            .into_iter()
            .collect();
    let shown = view::project(&TYPE, &app.policy, &context.caller, &Target::new(), &query.fields, object);
    Ok(keyed(StatusCode::OK, TYPE.name, shown))
}

fn details(driver: &MechanismDriver, kind: Kind) -> Option<Value> {
    let parameters = driver.supported(kind)?.parameters.iter();
    let shown: Vec<Value> = parameters.map(|(name, values)| values.shown(name)).collect();
    Some(json!({"name": driver.name, "supported_parameters": shown}))
}
