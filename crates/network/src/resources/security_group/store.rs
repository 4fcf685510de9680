//! SQL for security groups.

use std::collections::{BTreeSet, HashMap};

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault, now_seconds};
use isospin_store_kit::query::Select;
use isospin_store_kit::{ChangeKind, Row, Session, StoreError, Tx, Value, values};
use isospin_types::SecurityGroupId;

use super::model::{DEFAULT_NAME, SecurityGroup, SecurityGroupDetails};
use super::rules::{first_rules, in_use, not_found};
use super::{SHAREABLE, TABLE};
use crate::resources::rbac_policy::{self, Access, access};
use crate::resources::security_group_rule::store as rule_store;
use crate::resources::{
    default_security_group_rule, security_group_default_statefulness, security_group_rule, tag,
};
use crate::{App, blockers, page, quota};

/// The select list as a literal, so that whole statements stay constant.
macro_rules! columns {
    () => {
        "security_groups.id, security_groups.project_id, security_groups.name, security_groups.description, \
         security_groups.stateful, security_groups.is_default, security_groups.created_at, \
         security_groups.updated_at, security_groups.revision_number"
    };
}

const GET: &str = concat!("SELECT ", columns!(), " FROM security_groups WHERE security_groups.id = $1");

fn from_row(row: Row) -> Result<SecurityGroup, StoreError> {
    let mut columns = row.columns();
    Ok(SecurityGroup {
        id: columns.parse()?,
        project_id: columns.text()?,
        name: columns.text()?,
        description: columns.text()?,
        stateful: columns.flag()?,
        is_default: columns.flag()?,
        created_at: columns.text()?,
        updated_at: columns.text()?,
        revision_number: columns.int()?,
    })
}

/// The group of this id.
///
/// # Errors
/// The store's.
pub async fn get(session: &mut Session, id: SecurityGroupId) -> Result<Option<SecurityGroup>, StoreError> {
    session.row(GET, values![id]).await?.map(from_row).transpose()
}

/// The group of this id with all an answer to the project shows, in one round trip.
///
/// # Errors
/// The store's.
pub async fn get_details(
    session: &mut Session,
    id: SecurityGroupId,
    project_id: &str,
) -> Result<Option<SecurityGroupDetails>, StoreError> {
    let queries = vec![
        (GET, values![id]),
        (rule_store::OF_GROUP, values![id]),
        (tag::store::OF, values![id]),
        (access::OF, values![id, project_id]),
    ];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    let (group, rules, tags, entries) = (next().next(), next(), next(), next());
    let Some(group) = group else { return Ok(None) };
    Ok(Some(SecurityGroupDetails {
        group: from_row(group)?,
        rules: rules.map(rule_store::from_row).collect::<Result<_, _>>()?,
        tags: tags.map(|row| row.columns().text()).collect::<Result<_, _>>()?,
        shared: Access::from_rows(entries)?.shared,
    }))
}

/// One page of the groups the caller may see; children only where they are shown.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    list: &ListQuery,
    caller: &Caller,
    sees_all: bool,
) -> Result<Vec<SecurityGroupDetails>, Fault> {
    let mut select = Select::new(columns!(), TABLE.name);
    if !sees_all {
        rbac_policy::only_visible(&mut select, &SHAREABLE, &caller.project_id);
    }
    for (attribute, wanted) in &list.own {
        if *attribute == "shared" {
            rbac_policy::filter_shared(&mut select, &SHAREABLE, &caller.project_id, wanted)?;
        }
    }
    let rows = page::rows(session, list, &TABLE, select, |marker| not_found(marker)).await?;
    let groups = rows.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Value> = groups.iter().map(|group| Value::from(group.id)).collect();
    let shown = |name: &str| list.fields.is_empty() || list.fields.iter().any(|field| field == name);
    let mut rules: HashMap<SecurityGroupId, Vec<_>> = HashMap::new();
    if shown("security_group_rules") {
        for rule in rule_store::of_groups(session, ids.clone()).await? {
            rules.entry(rule.security_group_id).or_default().push(rule);
        }
    }
    let shared = rbac_policy::shared_among(session, &caller.project_id, ids.clone()).await?;
    let mut tags = if shown("tags") { tag::store::of_many(session, ids).await? } else { HashMap::new() };
    Ok(groups
        .into_iter()
        .map(|group| SecurityGroupDetails {
            rules: rules.remove(&group.id).unwrap_or_default(),
            tags: tags.remove(&group.id.to_string()).unwrap_or_default(),
            shared: shared.contains(&group.id.to_string()),
            group,
        })
        .collect())
}

/// The group ports of the project get by default; made when the project has none
/// yet, under its quota. Only called where a group is put to use: reading never
/// makes one (N23).
///
/// # Errors
/// 409 `OverQuota`.
pub async fn default_group(tx: &mut Tx, app: &App, project_id: &str) -> Result<SecurityGroupId, Fault> {
    let row = tx
        .row("SELECT id FROM security_groups WHERE project_id = $1 AND is_default", values![project_id])
        .await?;
    if let Some(row) = row {
        return Ok(row.columns().parse()?);
    }
    let now = now_seconds();
    let group = SecurityGroup {
        id: SecurityGroupId::random(),
        project_id: project_id.to_owned(),
        name: DEFAULT_NAME.to_owned(),
        description: "Default security group".to_owned(),
        stateful: security_group_default_statefulness::store::default_for(tx, project_id).await?,
        is_default: true,
        created_at: now.clone(),
        updated_at: now,
        revision_number: 1,
    };
    create(tx, app, &group).await?;
    Ok(group.id)
}

/// Stores a new group with the rules every group starts with; both count.
///
/// # Errors
/// 409 `OverQuota`.
pub async fn create(
    tx: &mut Tx,
    app: &App,
    group: &SecurityGroup,
) -> Result<Vec<security_group_rule::model::SecurityGroupRule>, Fault> {
    let template = default_security_group_rule::store::template(tx, group.is_default).await?;
    let rules = first_rules(group, &template);
    let count = i64::try_from(rules.len()).unwrap_or(i64::MAX);
    quota::take(tx, &app.settings, &group.project_id, "security_group", 1).await?;
    quota::take(tx, &app.settings, &group.project_id, "security_group_rule", count).await?;
    tx.execute_later(
        "INSERT INTO security_groups (id, project_id, name, description, stateful, is_default, created_at, \
         updated_at, revision_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        values![
            group.id,
            &group.project_id,
            &group.name,
            &group.description,
            group.stateful,
            group.is_default,
            &group.created_at,
            &group.updated_at,
            group.revision_number,
        ],
    )
    .await?;
    rule_store::insert(tx, &rules).await?;
    tx.record("security_group", ChangeKind::Set, group.id);
    Ok(rules)
}

/// Stores what an update may change, and counts the change.
///
/// # Errors
/// The store's.
pub async fn save(tx: &mut Tx, before: &SecurityGroup, group: &mut SecurityGroup) -> Result<(), StoreError> {
    if before == group {
        return Ok(());
    }
    group.revision_number = before.revision_number + 1;
    group.updated_at = now_seconds();
    tx.execute_later(
        "UPDATE security_groups SET name = $1, description = $2, stateful = $3, updated_at = $4, \
         revision_number = $5 WHERE id = $6",
        values![
            &group.name,
            &group.description,
            group.stateful,
            &group.updated_at,
            group.revision_number,
            group.id
        ],
    )
    .await?;
    tx.record("security_group", ChangeKind::Set, group.id);
    Ok(())
}

/// Counts a change of the rules of a group.
///
/// # Errors
/// The store's.
pub async fn touch(tx: &mut Tx, id: SecurityGroupId, now: &str) -> Result<(), StoreError> {
    tx.execute_later(
        "UPDATE security_groups SET revision_number = revision_number + 1, updated_at = $1 WHERE id = $2",
        values![now, id],
    )
    .await?;
    Ok(())
}

/// Refuses what must not happen to a group that ports are under.
///
/// # Errors
/// 409 naming some of them.
pub async fn check_unused(session: &mut Session, id: SecurityGroupId) -> Result<(), Fault> {
    let sql = "SELECT port_id FROM port_security_groups WHERE security_group_id = $1 ORDER BY port_id";
    let ports = blockers::named(session, sql, values![id]).await?;
    if ports.is_empty() { Ok(()) } else { Err(in_use(id, &ports)) }
}

/// Removes a group no port is under, its rules, and the rules of other groups and of
/// the template that name it as their remote group.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, group: &SecurityGroup) -> Result<(), Fault> {
    let gone = rule_store::of_or_naming(tx, group.id).await?;
    let now = now_seconds();
    let others: BTreeSet<SecurityGroupId> =
        gone.iter().map(|rule| rule.security_group_id).filter(|id| *id != group.id).collect();
    for other in others {
        touch(tx, other, &now).await?;
    }
    rule_store::forget(tx, &gone).await?;
    rbac_policy::forget(tx, group.id.uuid()).await?;
    tx.execute_many_later(vec![
        (tag::store::FORGET, values![group.id]),
        ("DELETE FROM default_security_group_rules WHERE remote_group_id = $1", values![group.id]),
        ("DELETE FROM security_groups WHERE id = $1", values![group.id]),
    ])
    .await?;
    quota::give_back(tx, &group.project_id, "security_group", 1).await?;
    tx.record("security_group", ChangeKind::Deleted, group.id);
    Ok(())
}

/// Refuses ports whose groups are partly stateful. `ports` are the groups of each.
///
/// # Errors
/// 409 `SecurityGroupConflict`.
pub async fn check_alike<'a>(
    session: &mut Session,
    ports: impl Iterator<Item = &'a [SecurityGroupId]>,
) -> Result<(), Fault> {
    let ports: Vec<_> = ports.filter(|groups| groups.len() > 1).collect();
    if ports.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<SecurityGroupId> = ports.iter().copied().flatten().copied().collect();
    let mut select = Select::new("id", "security_groups");
    select.one_of("id", ids.iter().map(Value::from).collect());
    select.one_of("stateful", vec![Value::from(true)]);
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?.into_iter();
    let stateful =
        rows.map(|row| row.columns().parse::<SecurityGroupId>()).collect::<Result<BTreeSet<_>, _>>()?;
    let mixed = |groups: &&[SecurityGroupId]| {
        let count = groups.iter().filter(|group| stateful.contains(group)).count();
        count > 0 && count < groups.len()
    };
    if ports.iter().any(mixed) { Err(super::rules::mixed()) } else { Ok(()) }
}

/// Refuses groups that are not there, or that neither belong to `project_id` nor are
/// shared with it while the caller is no administrator.
///
/// # Errors
/// 404 `SecurityGroupNotFound` for the first such.
pub async fn check_usable(
    session: &mut Session,
    caller: &Caller,
    project_id: &str,
    ids: &BTreeSet<SecurityGroupId>,
) -> Result<(), Fault> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut select = Select::new("id", "security_groups");
    select.one_of("id", ids.iter().map(Value::from).collect());
    if !caller.is_admin() {
        rbac_policy::only_visible(&mut select, &SHAREABLE, project_id);
    }
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?.into_iter();
    let usable = rows.map(|row| row.columns().parse()).collect::<Result<BTreeSet<SecurityGroupId>, _>>()?;
    match ids.iter().find(|id| !usable.contains(id)) {
        Some(unknown) => Err(not_found(unknown)),
        None => Ok(()),
    }
}
