//! Availability as JSON. Numbers may not fit into 64 bits, which values of the JSON
//! library hold: they are written directly.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::TYPE;
use super::model::{Availability, Counts, SubnetAvailability};

/// A network as asked for; `fields` empty means all.
pub struct Shown<'a> {
    pub availability: &'a Availability,
    pub fields: &'a [String],
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Availability { network_id, name, project_id, subnets } = self.availability;
        let counts = self.availability.counts();
        let shown = |key: &str| self.fields.is_empty() || self.fields.iter().any(|field| field == key);
        let mut map = serializer.serialize_map(None)?;
        for (key, text) in [
            ("network_id", network_id.to_string().as_str()),
            ("network_name", name),
            ("project_id", project_id),
            ("tenant_id", project_id),
        ] {
            if shown(key) {
                map.serialize_entry(key, text)?;
            }
        }
        if shown("subnet_ip_availability") {
            let subnets: Vec<Subnet<'_>> = subnets.iter().map(Subnet).collect();
            map.serialize_entry("subnet_ip_availability", &subnets)?;
        }
        for (key, number) in [("used_ips", counts.used), ("total_ips", counts.total)] {
            if shown(key) {
                map.serialize_entry(key, &number)?;
            }
        }
        if shown("ip_availability_details") {
            map.serialize_entry("ip_availability_details", &Details(counts))?;
        }
        map.end()
    }
}

/// A list of networks, and links when it is paged.
pub struct ShownList<'a> {
    pub items: Vec<Shown<'a>>,
    pub links: Option<Value>,
}

impl Serialize for ShownList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TYPE.collection, &self.items)?;
        if let Some(links) = &self.links {
            map.serialize_entry(&format!("{}_links", TYPE.collection), links)?;
        }
        map.end()
    }
}

struct Subnet<'a>(&'a SubnetAvailability);

impl Serialize for Subnet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SubnetAvailability { subnet_id, name, cidr, counts } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("subnet_id", &subnet_id.to_string())?;
        map.serialize_entry("ip_version", if cidr.addr().is_ipv4() { &4 } else { &6 })?;
        map.serialize_entry("cidr", &cidr.to_string())?;
        map.serialize_entry("subnet_name", name)?;
        map.serialize_entry("used_ips", &counts.used)?;
        map.serialize_entry("total_ips", &counts.total)?;
        map.serialize_entry("ip_availability_details", &Details(*counts))?;
        map.end()
    }
}

struct Details(Counts);

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("total_ips_in_subnet", &self.0.in_subnet)?;
        map.serialize_entry("total_ips_in_allocation_pool", &self.0.in_pools)?;
        map.serialize_entry("used_ips_in_subnet", &self.0.used)?;
        map.serialize_entry("used_ips_in_allocation_pool", &self.0.used_in_pools)?;
        map.end()
    }
}
