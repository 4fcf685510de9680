//! SQL for default rules.

use isospin_api_kit::Fault;
use isospin_api_kit::list::ListQuery;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, values};
use isospin_types::{DefaultSecurityGroupRuleId, SecurityGroupId};

use super::TABLE;
use super::model::{DefaultRule, PARENT};
use super::rules::not_found;
use crate::page;
use crate::resources::security_group_rule::model::{Matching, Remote};

macro_rules! columns {
    () => {
        "default_security_group_rules.id, default_security_group_rules.description, \
         default_security_group_rules.direction, default_security_group_rules.ethertype, \
         default_security_group_rules.protocol, default_security_group_rules.port_range_min, \
         default_security_group_rules.port_range_max, default_security_group_rules.remote_ip_prefix, \
         default_security_group_rules.remote_group_id, default_security_group_rules.remote_address_group_id, \
         default_security_group_rules.used_in_default_sg, default_security_group_rules.used_in_non_default_sg"
    };
}

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM default_security_group_rules WHERE default_security_group_rules.id = $1"
);
const OF_DEFAULT: &str =
    concat!("SELECT ", columns!(), " FROM default_security_group_rules WHERE used_in_default_sg ORDER BY id");
const OF_OTHERS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM default_security_group_rules WHERE used_in_non_default_sg ORDER BY id"
);

fn from_row(row: Row) -> Result<DefaultRule, StoreError> {
    let mut columns = row.columns();
    let (id, description) = (columns.parse()?, columns.text()?);
    let (direction, ethertype, protocol) = (columns.parse()?, columns.parse()?, columns.opt_parse()?);
    let port = |value: Option<i64>| value.and_then(|value| u16::try_from(value).ok());
    let port_range_min = port(columns.opt_int()?);
    let port_range_max = port(columns.opt_int()?);
    let prefix = columns.opt_parse()?;
    let group = columns.opt_text()?;
    let addresses = columns.opt_parse()?;
    let from_parent = group.as_deref() == Some(PARENT);
    let named: Option<SecurityGroupId> = group.and_then(|id| id.parse().ok());
    let remote = match (prefix, named, addresses) {
        (Some(prefix), _, _) => Remote::Prefix(prefix),
        (None, Some(group), _) => Remote::Group(group),
        (None, None, Some(addresses)) => Remote::Addresses(addresses),
        (None, None, None) => Remote::Any,
    };
    Ok(DefaultRule {
        id,
        description,
        matching: Matching { direction, ethertype, protocol, port_range_min, port_range_max, remote },
        from_parent,
        in_default: columns.flag()?,
        in_others: columns.flag()?,
    })
}

/// The rule of this id.
///
/// # Errors
/// The store's.
pub async fn get(
    session: &mut Session,
    id: DefaultSecurityGroupRuleId,
) -> Result<Option<DefaultRule>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// One page of the rules.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(session: &mut Session, list: &ListQuery) -> Result<Vec<DefaultRule>, Fault> {
    let select = Select::new(columns!(), TABLE.name);
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(from_row).collect::<Result<_, _>>()?)
}

/// The rules a new group gets: the default group of a project, or any other.
///
/// # Errors
/// The store's.
pub async fn template(session: &mut Session, default_group: bool) -> Result<Vec<DefaultRule>, StoreError> {
    let sql = if default_group { OF_DEFAULT } else { OF_OTHERS };
    session.rows(sql, vec![]).await?.into_iter().map(from_row).collect()
}

/// Stores rules. The first that equals one already there, if any: the unit must be
/// given up then.
///
/// # Errors
/// The store's.
pub async fn insert<'r>(
    tx: &mut Tx,
    rules: &'r [DefaultRule],
) -> Result<Option<&'r DefaultRule>, StoreError> {
    const INSERT: &str = "INSERT INTO default_security_group_rules (id, description, direction, ethertype, \
         protocol, port_range_min, port_range_max, remote_ip_prefix, remote_group_id, \
         remote_address_group_id, used_in_default_sg, used_in_non_default_sg, identity) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
    let port = |value: Option<u16>| value.map(i64::from);
    let statement = |rule: &DefaultRule| {
        let matching = &rule.matching;
        let group = match rule.from_parent {
            true => Some(PARENT.to_owned()),
            false => matching.remote.group().map(|id| id.to_string()),
        };
        let values = values![
            rule.id,
            &rule.description,
            matching.direction.as_str(),
            matching.ethertype.as_str(),
            matching.protocol.map(|protocol| protocol.to_string()),
            port(matching.port_range_min),
            port(matching.port_range_max),
            matching.remote.prefix().map(|net| net.to_string()),
            group,
            matching.remote.addresses(),
            rule.in_default,
            rule.in_others,
            rule.identity(),
        ];
        (INSERT, values)
    };
    let counts = tx.execute_many(rules.iter().map(statement).collect()).await?;
    Ok(rules.iter().zip(counts).find(|(_, count)| *count == 0).map(|(rule, _)| rule))
}

/// The rule that says the same for some of the same groups.
///
/// # Errors
/// The store's.
pub async fn equal_to(
    session: &mut Session,
    rule: &DefaultRule,
) -> Result<Option<DefaultSecurityGroupRuleId>, StoreError> {
    let sql = "SELECT id FROM default_security_group_rules WHERE identity = $1 \
               AND ((used_in_default_sg AND $2 = 1) OR (used_in_non_default_sg AND $3 = 1)) ORDER BY id";
    let flag = i64::from;
    let values = values![rule.identity(), flag(rule.in_default), flag(rule.in_others)];
    session.row(sql, values).await?.map(|row| row.columns().parse()).transpose()
}

/// Removes a rule; groups keep their copies.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: DefaultSecurityGroupRuleId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM default_security_group_rules WHERE id = $1", values![id]).await?;
    Ok(())
}
