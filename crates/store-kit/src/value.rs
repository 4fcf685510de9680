//! Values that go into statements and come out of rows.
//!
//! Both engines are used with four kinds of value only; UUIDs, addresses and
//! times are text, flags are integers on SQLite and booleans on PostgreSQL. A list of
//! texts goes in as one value ([`Engine::any_of`](crate::Engine::any_of)), and never comes out.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bytes::BytesMut;
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::StoreError;

/// One value of a statement or row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    /// Also booleans: 0 and 1.
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Texts one of which a column is to be; an array on PostgreSQL, JSON on SQLite.
    List(Vec<String>),
}

impl Value {
    /// A list of texts; what is no text is left out, as no column of texts is equal to it.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        let text = |item: T| match item.into() {
            Self::Text(text) => Some(text),
            _ => None,
        };
        Self::List(items.into_iter().filter_map(text).collect())
    }
}

macro_rules! from_display {
    ($($id:ty),*) => {$(
        impl From<$id> for Value {
            fn from(value: $id) -> Self {
                Self::Text(value.to_string())
            }
        }
        impl From<&$id> for Value {
            fn from(value: &$id) -> Self {
                Self::Text(value.to_string())
            }
        }
    )*};
}

from_display!(
    isospin_types::NetworkId,
    isospin_types::SubnetId,
    isospin_types::SubnetPoolId,
    isospin_types::AddressScopeId,
    isospin_types::PortId,
    isospin_types::RouterId,
    isospin_types::RouterInterfaceId,
    isospin_types::FloatingIpId,
    isospin_types::PortForwardingId,
    isospin_types::ConntrackHelperId,
    isospin_types::FlavorId,
    isospin_types::ServiceProfileId,
    isospin_types::MeteringLabelId,
    isospin_types::MeteringLabelRuleId,
    isospin_types::SecurityGroupId,
    isospin_types::SecurityGroupRuleId,
    isospin_types::AgentId,
    isospin_types::RbacPolicyId,
    isospin_types::AddressGroupId,
    isospin_types::DefaultSecurityGroupRuleId,
    isospin_types::QosPolicyId,
    isospin_types::QosRuleId,
    isospin_types::TrunkId,
    isospin_types::SegmentId,
    isospin_types::SegmentRangeId,
    isospin_types::ProjectId,
    isospin_types::UserId,
    isospin_types::MacAddr,
    std::net::IpAddr,
    uuid::Uuid
);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::List(texts) => {
                return Ok(ToSqlOutput::from(serde_json::Value::from(texts.clone()).to_string()));
            }
        }))
    }
}

impl ToSql for Value {
    /// Encodes for the type PostgreSQL inferred for the parameter.
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(value), &Type::BOOL) => (*value != 0).to_sql(ty, out),
            (Self::Int(value), &Type::INT4) => i32::try_from(*value)?.to_sql(ty, out),
            (Self::Int(value), &Type::INT2) => i16::try_from(*value)?.to_sql(ty, out),
            (Self::Int(value), &Type::INT8) => value.to_sql(ty, out),
            (Self::Text(value), _) => value.to_sql(ty, out),
            (Self::Bytes(value), _) => value.to_sql(ty, out),
            (Self::List(texts), _) => texts.to_sql(ty, out),
            (Self::Int(value), other) => Err(format!("integer {value} given where {other} is wanted").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// Reads the columns from left to right.
    #[must_use]
    pub fn columns(self) -> Columns {
        Columns { values: self.0.into_iter(), index: 0 }
    }
}

/// The columns of a row, taken in the order of the select list.
#[derive(Debug)]
pub struct Columns {
    values: std::vec::IntoIter<Value>,
    index: usize,
}

impl Columns {
    fn next_value(&mut self) -> Value {
        self.index += 1;
        self.values.next().unwrap_or(Value::Null)
    }

    fn wrong(&self, wanted: &'static str, found: &dyn fmt::Debug) -> StoreError {
        StoreError::Decode { column: self.index, wanted, found: format!("{found:?}") }
    }

    /// The next column, a text that is never null.
    pub fn text(&mut self) -> Result<String, StoreError> {
        match self.next_value() {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong("text", &other)),
        }
    }

    /// The next column, a text or null.
    pub fn opt_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.next_value() {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(self.wrong("text or null", &other)),
        }
    }

    /// The next column, an integer.
    pub fn int(&mut self) -> Result<i64, StoreError> {
        match self.next_value() {
            Value::Int(value) => Ok(value),
            other => Err(self.wrong("integer", &other)),
        }
    }

    /// The next column, an integer or null.
    pub fn opt_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next_value() {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(value)),
            other => Err(self.wrong("integer or null", &other)),
        }
    }

    /// The next column, a flag.
    pub fn flag(&mut self) -> Result<bool, StoreError> {
        self.int().map(|value| value != 0)
    }

    /// The next column, a flag or null.
    pub fn opt_flag(&mut self) -> Result<Option<bool>, StoreError> {
        Ok(self.opt_int()?.map(|value| value != 0))
    }

    /// The next column, a byte string.
    pub fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.next_value() {
            Value::Bytes(value) => Ok(value),
            other => Err(self.wrong("bytes", &other)),
        }
    }

    /// The next column, a text that must parse.
    pub fn parse<T: FromStr>(&mut self) -> Result<T, StoreError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.wrong(std::any::type_name::<T>(), &text))
    }

    /// The next column, a text that must parse, or null.
    pub fn opt_parse<T: FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        match self.opt_text()? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.wrong(std::any::type_name::<T>(), &text)),
        }
    }

    /// The next column, an integer that must fit.
    pub fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let value = self.int()?;
        T::try_from(value).map_err(|_| self.wrong(std::any::type_name::<T>(), &value))
    }
}

/// Values of a statement: `values![id, name, 3]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::Value::from($value)),*]
    };
}
