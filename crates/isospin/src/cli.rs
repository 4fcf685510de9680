//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Listen;

/// OpenStack-compatible cloud networking in one binary.
#[derive(Debug, Parser)]
#[command(name = "isospin", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this host: server and agent, watched and restarted
    Up(Up),
    /// Stop what `up` started; networks stay wired
    Down(Down),
    /// Say what runs
    Status(Status),
    /// Run the APIs only
    Server(Server),
    /// Run the host agent only
    Agent(Agent),
    /// Give a port to a network namespace, as a hypervisor gives one to a machine
    Attach(Attach),
    /// Take a port away from its namespace
    Detach(Detach),
    /// Walk through a small cloud on this host and check every step
    Demo(Demo),
    /// Show and try the rules of who may do what
    Policy(Policy),
    /// Set up an identity service, and write what clients need to log in
    Identity(Identity),
    /// Keys tokens are sealed with
    Keys(Keys),
    /// Print the Network API as an OpenAPI document
    Openapi,
    /// Make a one-time token with which the agent of another host joins
    Token(Token),
}

/// Where an installation lies and how it is configured.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Folder of databases, keys and logs [default: /var/lib/isospin, or ~/.local/state/isospin]
    #[arg(long, value_name = "DIR", env = "ISOSPIN_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "ISOSPIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address of the Identity API, ADDRESS:PORT; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub identity_listen: Option<Listen>,
    /// Address of the Network API
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub network_listen: Option<Listen>,
    /// Address agents connect to
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub feed_listen: Option<Listen>,
}

/// What the agent of `up` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentKind {
    /// Builds networks on this host; needs root
    Real,
    /// Reports ports ACTIVE without touching the host
    Simulated,
    /// No agent
    None,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub settings: Settings,
    /// Return when everything is ready and leave it running
    #[arg(long)]
    pub detach: bool,
    #[arg(long, value_enum, default_value = "real")]
    pub agent: AgentKind,
}

#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub place: Place,
    /// Return only when everything is ready
    #[arg(long)]
    pub wait: bool,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 60)]
    pub timeout: u64,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Server {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub settings: Settings,
    /// APIs to serve
    #[arg(long, value_delimiter = ',', default_value = "identity,network")]
    pub services: Vec<Service>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    Identity,
    Network,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Agent {
    #[command(flatten)]
    pub place: Place,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "ISOSPIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// URL of the feed: https://HOST:9697
    #[arg(long, value_name = "URL")]
    pub join: Option<String>,
    /// One-time token, printed by `isospin token`; needed once
    #[arg(long, value_name = "TOKEN", env = "ISOSPIN_JOIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Work to take on
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<String>,
    /// Report ports ACTIVE without touching the host
    #[arg(long)]
    pub simulated: bool,
    #[command(subcommand)]
    pub command: Option<AgentCommand>,
}

#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Show the ports of this host, each with its state and why it is not ACTIVE
    Status(AgentStatus),
}

#[derive(Debug, Args)]
pub struct AgentStatus {
    #[command(flatten)]
    pub place: Place,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Attach {
    #[command(flatten)]
    pub place: Place,
    /// Port, by id or name
    pub port: String,
    /// Network namespace; made when absent
    #[arg(long, value_name = "NAME")]
    pub netns: String,
    /// Configure the interface by a real DHCP client (udhcpc)
    #[arg(long)]
    pub dhcp: bool,
}

#[derive(Debug, Args)]
pub struct Detach {
    #[command(flatten)]
    pub place: Place,
    /// Port, by id or name
    pub port: String,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub place: Place,
    /// Remove everything the demo made
    #[arg(long)]
    pub remove: bool,
}

#[derive(Debug, Args)]
pub struct Policy {
    /// Folder of the installation, as other commands take it
    #[arg(long, value_name = "DIR", env = "ISOSPIN_STATE_DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "ISOSPIN_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the rules in force, in the form of a policy file
    Show {
        /// Only those the policy file replaces or adds
        #[arg(long)]
        overridden: bool,
        /// Whose rules
        #[arg(long, default_value = "network")]
        service: Service,
    },
    /// Say whether somebody may do something, and which rule decides; ends with 1 for no
    Check(PolicyCheck),
}

#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// Name of a rule: create_network, update_port:mac_address, identity:create_user
    pub action: String,
    /// Role of who asks, with the roles it implies; may be given several times
    #[arg(long = "role", value_name = "NAME")]
    pub roles: Vec<String>,
    /// Project of who asks
    #[arg(long, value_name = "ID", default_value = "")]
    pub project: String,
    /// Domain of who asks, with a token for that domain
    #[arg(long, value_name = "ID", default_value = "")]
    pub domain: String,
    /// Who asks has a token for the whole system
    #[arg(long)]
    pub system: bool,
    /// User who asks
    #[arg(long, value_name = "ID", default_value = "")]
    pub user: String,
    /// Fact of the object: project_id=ID, shared=True; may be given several times
    /// [default: project_id is that of who asks]
    #[arg(long = "target", value_name = "NAME=VALUE", value_parser = fact)]
    pub target: Vec<(String, String)>,
}

fn fact(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Token {
    #[command(flatten)]
    pub place: Place,
    /// Host the token is for
    pub host: String,
}

/// The installation a group of commands is about.
#[derive(Debug, Clone, Args)]
pub struct Installation {
    /// Folder of the installation, as other commands take it
    #[arg(long, value_name = "DIR", env = "ISOSPIN_STATE_DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "ISOSPIN_CONFIG", global = true)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Keys {
    #[command(flatten)]
    pub installation: Installation,
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Seal new tokens with the next key; servers that run take it up at once
    Rotate(RotateKeys),
}

#[derive(Debug, Args)]
pub struct RotateKeys {
    /// Also when tokens that are still valid end by it
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Identity {
    #[command(flatten)]
    pub installation: Installation,
    #[command(subcommand)]
    pub command: IdentityCommand,
}

#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Make the first user, project, roles and endpoints, or mend them, as
    /// `keystone-manage bootstrap` does
    Bootstrap(Box<Bootstrap>),
    /// Print or write a clouds.yaml for a user
    Clouds(Account),
    /// Print or write a file of OS_* variables for a user
    Openrc(Account),
}

#[derive(Debug, Args)]
pub struct Bootstrap {
    #[arg(long, value_name = "NAME", env = "OS_BOOTSTRAP_USERNAME", default_value = "admin")]
    pub bootstrap_username: String,
    /// Of the user, also when there is one; better given in OS_BOOTSTRAP_PASSWORD
    #[arg(long, value_name = "TEXT", env = "OS_BOOTSTRAP_PASSWORD", hide_env_values = true)]
    pub bootstrap_password: String,
    #[arg(long, value_name = "NAME", env = "OS_BOOTSTRAP_PROJECT_NAME", default_value = "admin")]
    pub bootstrap_project_name: String,
    #[arg(long, value_name = "NAME", env = "OS_BOOTSTRAP_ROLE_NAME", default_value = "admin")]
    pub bootstrap_role_name: String,
    #[arg(long, value_name = "NAME", env = "OS_BOOTSTRAP_SERVICE_NAME", default_value = "keystone")]
    pub bootstrap_service_name: String,
    /// [default: that of the configuration]
    #[arg(long, value_name = "ID", env = "OS_BOOTSTRAP_REGION_ID")]
    pub bootstrap_region_id: Option<String>,
    #[arg(long, value_name = "URL", env = "OS_BOOTSTRAP_PUBLIC_URL")]
    pub bootstrap_public_url: Option<String>,
    #[arg(long, value_name = "URL", env = "OS_BOOTSTRAP_INTERNAL_URL")]
    pub bootstrap_internal_url: Option<String>,
    #[arg(long, value_name = "URL", env = "OS_BOOTSTRAP_ADMIN_URL")]
    pub bootstrap_admin_url: Option<String>,
}

/// A user and what the user logs in to.
#[derive(Debug, Args)]
pub struct Account {
    /// Name of the user
    pub user: String,
    /// Project to work in [default: that of the user's name]
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    pub project: Option<String>,
    /// Log in to the whole system instead of a project
    #[arg(long)]
    pub system: bool,
    /// File with the user's password [default: OS_PASSWORD; for the users of this
    /// installation what was generated]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Name of the user's domain, or `default`
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub user_domain: String,
    /// Name of the project's domain, or `default`
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub project_domain: String,
    #[arg(long, value_name = "ID", default_value = "RegionOne")]
    pub region: String,
    /// Root of the Identity API [default: that of the server that runs here]
    #[arg(long, value_name = "URL")]
    pub identity_url: Option<String>,
    /// Name of the cloud in clouds.yaml
    #[arg(long, value_name = "NAME", default_value = "isospin")]
    pub cloud: String,
    /// File to write, readable by you only
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
