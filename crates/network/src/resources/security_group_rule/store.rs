//! SQL for security group rules.

use std::collections::BTreeMap;

use ipnet::IpNet;
use isospin_api_kit::attribute::check;
use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Columns, Row, Session, StoreError, Tx, Value, values};
use isospin_types::{SecurityGroupId, SecurityGroupRuleId};

use super::TABLE;
use super::model::{Matching, Remote, SecurityGroupRule};
use super::rules::not_found;
use crate::{page, quota};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "security_group_rules.id, security_group_rules.project_id, security_group_rules.security_group_id, \
         security_group_rules.description, security_group_rules.direction, security_group_rules.ethertype, \
         security_group_rules.protocol, security_group_rules.port_range_min, \
         security_group_rules.port_range_max, security_group_rules.remote_ip_prefix, \
         security_group_rules.remote_group_id, security_group_rules.remote_address_group_id, \
         security_group_rules.created_at, \
         security_group_rules.updated_at, security_group_rules.revision_number"
    };
}

/// The columns [`from_row`] reads first; more may follow them.
pub const COLUMNS: &str = columns!();
/// The rules of one group, for batches.
pub const OF_GROUP: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM security_group_rules WHERE security_group_id = $1 ORDER BY created_at, id"
);
const OF_OR_NAMING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM security_group_rules WHERE security_group_id = $1 OR remote_group_id = $1"
);
const INSERT: &str = "INSERT INTO security_group_rules (id, project_id, security_group_id, description, \
     direction, ethertype, protocol, port_range_min, port_range_max, remote_ip_prefix, remote_group_id, \
     remote_address_group_id, identity, created_at, updated_at, revision_number) VALUES ($1, $2, $3, $4, $5, \
     $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING";

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    ", security_groups.project_id, security_groups.is_default FROM security_group_rules \
     JOIN security_groups ON security_groups.id = security_group_rules.security_group_id \
     WHERE security_group_rules.id = $1"
);

/// A rule with what policy and view ask of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub rule: SecurityGroupRule,
    pub group_project_id: String,
    pub in_default_group: bool,
}

/// The rule of this id.
///
/// # Errors
/// The store's.
pub async fn find(session: &mut Session, id: SecurityGroupRuleId) -> Result<Option<Found>, StoreError> {
    session.row(FIND, values![id]).await?.map(found).transpose()
}

fn found(row: Row) -> Result<Found, StoreError> {
    let mut columns = row.columns();
    Ok(Found {
        rule: from_columns(&mut columns)?,
        group_project_id: columns.text()?,
        in_default_group: columns.flag()?,
    })
}

/// One page of the rules in groups the caller may see.
///
/// # Errors
/// 400 for a filter that cannot be meant; 404 for an unknown marker.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<Found>, Fault> {
    let mut select = Select::new(
        concat!(columns!(), ", security_groups.project_id, security_groups.is_default"),
        "security_group_rules JOIN security_groups ON security_groups.id = security_group_rules.security_group_id",
    );
    if !sees_all {
        let project = select.bind(caller.project_id.as_str());
        select.condition(format!("security_groups.project_id = {project}"));
    }
    for (attribute, values) in &list.own {
        let alternatives = match *attribute {
            "belongs_to_default_sg" => default_conditions(values)?,
            "normalized_cidr" => values.iter().map(|value| cidr_condition(&mut select, value)).collect(),
            _ => continue,
        };
        select.condition(format!("({})", alternatives.join(" OR ")));
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(found).collect::<Result<_, _>>()?)
}

fn default_conditions(values: &[String]) -> Result<Vec<String>, Fault> {
    let condition = |value: &String| {
        let flag = check::boolean(&serde_json::Value::from(value.as_str())).map_err(Fault::invalid_input)?;
        Ok(format!("security_groups.is_default = {}", if flag { "TRUE" } else { "FALSE" }))
    };
    values.iter().map(condition).collect()
}

/// Rules whose prefix is this one without host bits. The identity ends with the
/// normal form, except for the prefixes of everything, which count as none there.
fn cidr_condition(select: &mut Select, value: &str) -> String {
    let Ok(net) = value.parse::<IpNet>() else { return "1 = 0".to_owned() };
    if net.prefix_len() == 0 {
        let family = if net.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        return format!(
            "(security_group_rules.ethertype = '{family}' AND security_group_rules.remote_ip_prefix LIKE '%/0')"
        );
    }
    let name = select.bind(format!("% {}", net.trunc()));
    format!("security_group_rules.identity LIKE {name}")
}

/// Reads [`COLUMNS`].
///
/// # Errors
/// A column does not hold what it must.
pub fn from_row(row: Row) -> Result<SecurityGroupRule, StoreError> {
    from_columns(&mut row.columns())
}

/// As [`from_row`], leaving the columns that follow.
///
/// # Errors
/// A column does not hold what it must.
pub fn from_columns(columns: &mut Columns) -> Result<SecurityGroupRule, StoreError> {
    let (id, project_id, security_group_id, description) =
        (columns.parse()?, columns.text()?, columns.parse()?, columns.text()?);
    let (direction, ethertype, protocol) = (columns.parse()?, columns.parse()?, columns.opt_parse()?);
    let port = |value: Option<i64>| value.and_then(|value| u16::try_from(value).ok());
    let port_range_min = port(columns.opt_int()?);
    let port_range_max = port(columns.opt_int()?);
    let remote = remote(columns)?;
    Ok(SecurityGroupRule {
        id,
        project_id,
        security_group_id,
        description,
        matching: Matching { direction, ethertype, protocol, port_range_min, port_range_max, remote },
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// Reads the three columns of which one at most is set.
///
/// # Errors
/// A column does not hold what it must.
pub fn remote(columns: &mut Columns) -> Result<Remote, StoreError> {
    let (prefix, group, addresses) = (columns.opt_parse()?, columns.opt_parse()?, columns.opt_parse()?);
    Ok(match (prefix, group, addresses) {
        (Some(prefix), _, _) => Remote::Prefix(prefix),
        (None, Some(group), _) => Remote::Group(group),
        (None, None, Some(addresses)) => Remote::Addresses(addresses),
        (None, None, None) => Remote::Any,
    })
}

/// The rules of several groups, oldest first, in one query.
///
/// # Errors
/// The store's.
pub async fn of_groups(
    session: &mut Session,
    group_ids: Vec<Value>,
) -> Result<Vec<SecurityGroupRule>, StoreError> {
    if group_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::new(COLUMNS, "security_group_rules");
    select.one_of("security_group_id", group_ids);
    select.order_by("created_at", false).order_by("id", false);
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(from_row).collect()
}

/// The rules of a group and those that name it as their remote group.
///
/// # Errors
/// The store's.
pub async fn of_or_naming(
    session: &mut Session,
    group_id: SecurityGroupId,
) -> Result<Vec<SecurityGroupRule>, StoreError> {
    session.rows(OF_OR_NAMING, values![group_id]).await?.into_iter().map(from_row).collect()
}

/// Stores rules and tells followers. The index of the first that equals a rule
/// already there, if any: the unit must be given up then.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, rules: &[SecurityGroupRule]) -> Result<Option<usize>, StoreError> {
    let counts = tx.execute_many(rules.iter().map(|rule| (INSERT, row(rule))).collect()).await?;
    for rule in rules {
        tx.record_in("security_group_rule", ChangeKind::Set, rule.id, rule.security_group_id);
    }
    Ok(counts.iter().position(|count| *count == 0))
}

fn row(rule: &SecurityGroupRule) -> Vec<Value> {
    let matching = &rule.matching;
    let port = |value: Option<u16>| value.map(i64::from);
    values![
        rule.id,
        &rule.project_id,
        rule.security_group_id,
        &rule.description,
        matching.direction.as_str(),
        matching.ethertype.as_str(),
        matching.protocol.map(|protocol| protocol.to_string()),
        port(matching.port_range_min),
        port(matching.port_range_max),
        matching.remote.prefix().map(|net| net.to_string()),
        matching.remote.group(),
        matching.remote.addresses(),
        matching.identity(),
        &rule.created_at,
        &rule.updated_at,
        rule.revision_number,
    ]
}

/// The rule of the group with this identity.
///
/// # Errors
/// The store's.
pub async fn with_identity(
    session: &mut Session,
    group_id: SecurityGroupId,
    identity: &str,
) -> Result<Option<SecurityGroupRuleId>, StoreError> {
    let sql = "SELECT id FROM security_group_rules WHERE security_group_id = $1 AND identity = $2";
    session.row(sql, values![group_id, identity]).await?.map(|row| row.columns().parse()).transpose()
}

/// Removes rules, gives back what they counted, tells followers.
///
/// # Errors
/// The store's.
pub async fn forget(tx: &mut Tx, rules: &[SecurityGroupRule]) -> Result<(), StoreError> {
    let mut per_project: BTreeMap<&str, i64> = BTreeMap::new();
    for rule in rules {
        *per_project.entry(rule.project_id.as_str()).or_default() += 1;
        tx.record_in("security_group_rule", ChangeKind::Deleted, rule.id, rule.security_group_id);
    }
    let delete =
        |rule: &SecurityGroupRule| ("DELETE FROM security_group_rules WHERE id = $1", values![rule.id]);
    tx.execute_many_later(rules.iter().map(delete).collect()).await?;
    for (project_id, count) in per_project {
        quota::give_back(tx, project_id, "security_group_rule", count).await?;
    }
    Ok(())
}
