//! SQL for metering label rules, each with the project of its label.

use isospin_api_kit::list::ListQuery;
use isospin_api_kit::{Caller, Fault};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Tx, Value, values};
use isospin_types::{MeteringLabelId, MeteringLabelRuleId};

use super::TABLE;
use super::model::MeteringLabelRule;
use super::rules::not_found;
use crate::page;

const SELECTED: &str = "metering_label_rules.id, metering_label_rules.metering_label_id, \
                        metering_label_rules.direction, metering_label_rules.excluded, \
                        metering_label_rules.remote_ip_prefix, metering_label_rules.source_ip_prefix, \
                        metering_label_rules.destination_ip_prefix, metering_labels.project_id";
const FROM: &str = "metering_label_rules JOIN metering_labels \
                    ON metering_labels.id = metering_label_rules.metering_label_id";

fn read(row: Row) -> Result<(MeteringLabelRule, String), StoreError> {
    let mut columns = row.columns();
    let rule = MeteringLabelRule {
        id: columns.parse()?,
        label_id: columns.parse()?,
        direction: columns.text()?,
        excluded: columns.flag()?,
        remote: columns.opt_parse()?,
        source: columns.opt_parse()?,
        destination: columns.opt_parse()?,
    };
    Ok((rule, columns.text()?))
}

/// The rule of this id, and whose it is.
///
/// # Errors
/// The store's.
pub async fn get(
    session: &mut Session,
    id: MeteringLabelRuleId,
) -> Result<Option<(MeteringLabelRule, String)>, StoreError> {
    let mut select = Select::new(SELECTED, FROM);
    select.one_of("metering_label_rules.id", values![id]);
    let (sql, values) = select.build();
    session.row(&sql, values).await?.map(read).transpose()
}

/// The rules of a label.
///
/// # Errors
/// The store's.
pub async fn of_label(
    session: &mut Session,
    label: MeteringLabelId,
) -> Result<Vec<MeteringLabelRule>, StoreError> {
    let mut select = Select::new(SELECTED, FROM);
    select.one_of("metering_label_rules.metering_label_id", values![label]);
    select.order_by("metering_label_rules.id", false);
    let (sql, values) = select.build();
    session.rows(&sql, values).await?.into_iter().map(|row| Ok(read(row)?.0)).collect()
}

/// One page of the rules the caller may know of, and whose they are.
///
/// # Errors
/// 404 for an unknown marker; the store's.
pub async fn list(
    session: &mut Session,
    query: &ListQuery,
    caller: &Caller,
) -> Result<Vec<(MeteringLabelRule, String)>, Fault> {
    let mut select = Select::new(SELECTED, FROM);
    if !caller.is_admin() {
        select.one_of("metering_labels.project_id", values![&caller.project_id]);
    }
    let rows = page::rows(session, query, &TABLE, select, |marker| not_found(marker)).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Stores a new rule.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, new: &MeteringLabelRule) -> Result<(), StoreError> {
    let text = |net: Option<ipnet::IpNet>| Value::from(net.map(|net| net.to_string()));
    tx.execute_later(
        "INSERT INTO metering_label_rules (id, metering_label_id, direction, excluded, remote_ip_prefix, \
         source_ip_prefix, destination_ip_prefix) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        values![
            new.id,
            new.label_id,
            &new.direction,
            new.excluded,
            text(new.remote),
            text(new.source),
            text(new.destination),
        ],
    )
    .await?;
    Ok(())
}

/// Removes a rule.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: MeteringLabelRuleId) -> Result<(), StoreError> {
    tx.execute_later("DELETE FROM metering_label_rules WHERE id = $1", values![id]).await?;
    Ok(())
}
