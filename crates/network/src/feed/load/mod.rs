//! Rows of the resources as records of the feed.
//!
//! A row that cannot be read is set aside with a word in the log: it must not keep
//! a host from serving everybody else (N05). Lists of ids may be of any length.

mod floating_ip;
mod metering;
mod network;
mod port;
mod qos;
mod router;
mod security;

use isospin_feed::proto::{Kind, Record, record::Fact};
use isospin_store_kit::query::Select;
use isospin_store_kit::{Columns, Row, Session, StoreError, Value};
use serde_json::Value as Json;
use tracing::error;

use super::Key;

pub(super) use floating_ip::floating_ips;
pub(super) use network::{dhcp_services, networks, place, subnets, tells_all_ports, tunnel_addresses};
pub(super) use port::ports;
pub(super) use router::routers;
pub(super) use security::{address_groups, members, rules, security_groups};

/// Ids named in one statement at most; both engines take as many parameters.
const IDS: usize = 8192;

/// Which rows to load.
#[derive(Debug, Clone)]
pub(super) enum Of {
    /// Rows whose column is one of these.
    Column(&'static str, Vec<String>),
    /// Rows for which this condition on one bound text holds; `?` stands for it.
    Where(&'static str, String),
    /// Ports in any of these security groups.
    InGroups(Vec<String>),
}

fn select(columns: &str, from: &str, of: &Of) -> (String, Vec<Value>) {
    let mut select = Select::new(columns, from);
    match of {
        Of::Column(column, ids) => {
            select.one_of(column, ids.iter().map(Value::from).collect());
        }
        Of::Where(condition, text) => {
            let name = select.bind(text.as_str());
            select.condition(condition.replace('?', &name));
        }
        Of::InGroups(groups) => {
            let names = select.bind_list(groups.iter().map(Value::from));
            select.condition(format!(
                "p.id IN (SELECT port_id FROM port_security_groups WHERE security_group_id IN ({names}))"
            ));
        }
    }
    select.build()
}

impl Of {
    /// The same rows in portions that fit a statement each; none for no ids.
    fn portions(&self) -> Vec<Self> {
        match self {
            Self::Column(column, ids) => {
                ids.chunks(IDS).map(|portion| Self::Column(column, portion.to_vec())).collect()
            }
            Self::Where(..) | Self::InGroups(_) => vec![self.clone()],
        }
    }
}

async fn rows(session: &mut Session, columns: &str, from: &str, of: &Of) -> Result<Vec<Row>, StoreError> {
    let mut found = Vec::new();
    for portion in of.portions() {
        let (sql, values) = select(columns, from, &portion);
        found.append(&mut session.rows(&sql, values).await?);
    }
    Ok(found)
}

/// What the rows say, without those that cannot be read.
fn each<T>(
    what: &'static str,
    rows: Vec<Row>,
    read: impl Fn(&mut Columns) -> Result<T, StoreError>,
) -> Vec<T> {
    let readable = |row: Row| {
        read(&mut row.columns())
            .map_err(|error| error!(what, error = ?error, "a row cannot be read; hosts are not told of it"))
            .ok()
    };
    rows.into_iter().filter_map(readable).collect()
}

/// The key a record is known by.
pub(super) fn key(record: &Record) -> Option<Key> {
    let (kind, id) = match record.fact.as_ref()? {
        Fact::Network(fact) => (Kind::Network, &fact.id),
        Fact::Subnet(fact) => (Kind::Subnet, &fact.id),
        Fact::Port(fact) => (Kind::Port, &fact.id),
        Fact::SecurityGroup(fact) => (Kind::SecurityGroup, &fact.id),
        Fact::SecurityGroupRule(fact) => (Kind::SecurityGroupRule, &fact.id),
        Fact::SecurityGroupMember(fact) => (Kind::SecurityGroupMember, &fact.id),
        Fact::Router(fact) => (Kind::Router, &fact.id),
        Fact::FloatingIp(fact) => (Kind::FloatingIp, &fact.id),
        Fact::DhcpService(fact) => (Kind::DhcpService, &fact.id),
        Fact::AddressGroup(fact) => (Kind::AddressGroup, &fact.id),
    };
    Some((kind as i32, id.clone()))
}

fn objects(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap_or_default()
}

fn texts(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

fn field(object: &Json, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}
