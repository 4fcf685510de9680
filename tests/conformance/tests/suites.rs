//! OpenStack's own test suites of the Network API, all of each, against a server with
//! a simulated agent.

use anyhow::{Context, Result};
use isospin_conformance::{Api, Installation, run_suite};
use serde_json::{Value, json};

/// A class of these suites makes more routers and groups than a project may have by
/// default; segments for vlan networks are what the suites ask for unless told otherwise. The
/// rules about passwords are those DevStack sets.
const CONFIGURATION: &str = "\
[identity]
lockout_failure_attempts = 2
lockout_duration = 5

[identity.security_compliance]
unique_last_password_count = 2

[network]
vlan_ranges = { external = [\"1:4000\"] }

[network.quotas]
router = 100
floatingip = 500
security_group = 150
security_group_rule = 1000
";

/// What the suites take from their configuration whether or not the server lists it:
/// the API serves these, and lists them once an agent carries them out. "tag" is
/// tempest's word for `standard-attr-tag`.
const UNLISTED: &str = "qos-bw-minimum-ingress,tag";

/// A cloud with an external network.
struct Cloud {
    installation: Installation,
    admin: Api,
    public: String,
}

impl Cloud {
    fn start() -> Result<Self> {
        let installation = Installation::configured("simulated", CONFIGURATION)?;
        let admin = Api::log_in(&installation, "admin")?;
        let network =
            admin.create("networks", "network", &json!({"name": "public", "router:external": true}))?;
        let public = network["id"].as_str().context("no id")?.to_owned();
        let subnet = json!({"network_id": public, "name": "public-subnet", "ip_version": 4,
            "cidr": "172.24.4.0/24", "enable_dhcp": false});
        admin.create("subnets", "subnet", &subnet)?;
        Ok(Self { installation, admin, public })
    }

    /// Writes `tempest.conf`: the features are those the server lists.
    fn configure_tempest(&self) -> Result<()> {
        let folder = self.installation.state_dir();
        let known = std::fs::read(folder.join("credentials.json"))?;
        let password = serde_json::from_slice::<Value>(&known)?["admin"].clone();
        let password = password.as_str().context("no password")?;
        let extensions = self.admin.list("extensions")?;
        let extensions: Vec<&str> = extensions.iter().filter_map(|one| one["alias"].as_str()).collect();
        let port_security = extensions.contains(&"port-security");
        let text = format!(
            "[DEFAULT]\nlog_dir = {folder}\nlog_file = tempest.log\n\
             [oslo_concurrency]\nlock_path = {folder}/tempest-locks\n\
             [auth]\nadmin_username = admin\nadmin_password = {password}\n\
             admin_project_name = admin\nadmin_domain_name = Default\n\
             tempest_roles = member\ncreate_isolated_networks = false\n\
             [identity]\nuri_v3 = {identity}/v3\nuser_unique_last_password_count = 2\n\
             user_lockout_failure_attempts = 2\nuser_lockout_duration = 5\n\
             [identity-feature-enabled]\napplication_credentials = true\naccess_rules = true\n\
             security_compliance = true\n\
             [service_available]\n\
             neutron = true\nnova = false\nglance = false\ncinder = false\nswift = false\n\
             [network]\npublic_network_id = {public}\nfloating_network_name = public\n\
             [network-feature-enabled]\nipv6_subnet_attributes = true\n\
             port_security = {port_security}\napi_extensions = {extensions},{UNLISTED}\n\
             [neutron_plugin_options]\n\
             available_type_drivers = flat,local,vlan,vxlan\nprovider_vlans = external\nagent_availability_zone = nova\n\
             create_shared_resources = true\n",
            folder = folder.display(),
            identity = self.admin.identity,
            public = self.public,
            extensions = extensions.join(","),
        );
        Ok(std::fs::write(folder.join("tempest.conf"), text)?)
    }

    fn tempest(&self, package: &str) -> Result<()> {
        self.configure_tempest()?;
        let folder = self.installation.state_dir().to_string_lossy().into_owned();
        run_suite(
            &self.installation,
            package,
            &[("TEMPEST_CONFIG_DIR", &folder), ("TEMPEST_CONFIG", "tempest.conf")],
        )
    }
}

#[test]
fn tempest() -> Result<()> {
    Cloud::start()?.tempest("tempest.api.network")
}

#[test]
fn the_tempest_plugin_of_neutron() -> Result<()> {
    Cloud::start()?.tempest("neutron_tempest_plugin.api")
}

#[test]
fn tempest_of_identity() -> Result<()> {
    Cloud::start()?.tempest("tempest.api.identity")
}

fn functional(part: &str) -> Result<()> {
    let cloud = Cloud::start()?;
    let clouds = cloud.installation.state_dir().join("clouds.yaml");
    run_suite(
        &cloud.installation,
        &format!("openstack.tests.functional.{part}"),
        &[
            ("OS_CLIENT_CONFIG_FILE", &clouds.to_string_lossy()),
            ("OS_CLOUD", "isospin"),
            ("OPENSTACKSDK_OPERATOR_CLOUD", "isospin"),
            ("OPENSTACKSDK_SYSTEM_ADMIN_CLOUD", "isospin"),
            ("OPENSTACKSDK_DEMO_CLOUD", "isospin-demo"),
            ("OPENSTACKSDK_DEMO_CLOUD_ALT", "isospin-demo"),
            ("OPENSTACKSDK_FUNC_TEST_TIMEOUT", "20"),
            ("OS_TEST_TIMEOUT", "60"),
            // Their logs are attached to what fails.
            ("OS_LOG_CAPTURE", "1"),
            ("OS_STDOUT_CAPTURE", "1"),
            ("OS_STDERR_CAPTURE", "1"),
        ],
    )
}

#[test]
fn the_functional_tests_of_openstacksdk() -> Result<()> {
    functional("network")
}

#[test]
fn the_functional_tests_of_openstacksdk_about_identity() -> Result<()> {
    functional("identity")
}
