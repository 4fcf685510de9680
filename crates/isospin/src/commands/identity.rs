//! `isospin identity`: first users, and files with which users log in.

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use isospin_identity::bootstrap::{Administrator, BootstrapSpec, ServiceSpec, bootstrap};

use crate::cli::{Account, Bootstrap, Identity, IdentityCommand, Installation};
use crate::config::{Config, IdentityMode};
use crate::credentials::{Access, Passwords, Place, clouds_yaml, openrc};
use crate::serve::{open_store, settings};
use crate::state_dir::{StateDir, write_private};
use crate::supervise::Status;

pub async fn run(arguments: Identity) -> Result<()> {
    let installation = arguments.installation;
    match arguments.command {
        IdentityCommand::Bootstrap(arguments) => fill(installation, *arguments).await,
        IdentityCommand::Clouds(account) => {
            let access = access(installation, &account)?;
            give(&account, &clouds_yaml(&[(&account.cloud, &access)]))
        }
        IdentityCommand::Openrc(account) => {
            let access = access(installation, &account)?;
            give(&account, &openrc(&access))
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is the command's answer")]
async fn fill(installation: Installation, arguments: Bootstrap) -> Result<()> {
    let config = Config::load(installation.config.as_deref(), std::env::vars())?;
    if config.identity.mode == IdentityMode::Keystone {
        bail!(
            "[identity] mode = \"keystone\": users are that Keystone's; run `keystone-manage bootstrap` there"
        );
    }
    let state = StateDir::new(installation.state_dir)?;
    state.create()?;
    let store = open_store(&config, &state).await?;
    let settings = settings::identity(&config.identity, &state, &config.identity.public_url);
    let identity = isospin_identity::open(settings, store).await.context("cannot open identity")?;
    let urls = [
        ("public", arguments.bootstrap_public_url),
        ("internal", arguments.bootstrap_internal_url),
        ("admin", arguments.bootstrap_admin_url),
    ];
    let endpoints = urls.into_iter().filter_map(|(interface, url)| Some((interface, url?))).collect();
    let spec = BootstrapSpec {
        admin: Administrator {
            name: arguments.bootstrap_username.clone(),
            password: arguments.bootstrap_password,
            project: arguments.bootstrap_project_name.clone(),
            role: arguments.bootstrap_role_name.clone(),
        },
        demo_password: None,
        reset_passwords: true,
        region: arguments.bootstrap_region_id.unwrap_or(config.identity.region),
        services: vec![ServiceSpec::identity(arguments.bootstrap_service_name, endpoints)],
    };
    bootstrap(&identity, spec).await.context("cannot set up identity")?;
    println!(
        "User {} has the role {} in the project {} and on the system.",
        arguments.bootstrap_username, arguments.bootstrap_role_name, arguments.bootstrap_project_name
    );
    Ok(())
}

fn access(installation: Installation, account: &Account) -> Result<Access> {
    let state = StateDir::new(installation.state_dir)?;
    let identity_url = match &account.identity_url {
        Some(url) => url.clone(),
        None => Status::read(&state)?.endpoints.identity,
    };
    if identity_url.is_empty() {
        bail!("no server runs from {}: name the Identity API with --identity-url", state.root().display());
    }
    let project = account.project.clone().unwrap_or_else(|| account.user.clone());
    Ok(Access {
        identity_url,
        user: account.user.clone(),
        user_domain: account.user_domain.clone(),
        password: password(account, &state)?,
        place: if account.system {
            Place::System
        } else {
            Place::Project { name: project, domain: account.project_domain.clone() }
        },
        region: account.region.clone(),
    })
}

fn password(account: &Account, state: &StateDir) -> Result<String> {
    if let Some(path) = &account.password_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(text.trim_end_matches('\n').to_owned());
    }
    if let Ok(password) = std::env::var("OS_PASSWORD") {
        return Ok(password);
    }
    match (Passwords::load(state), account.user.as_str()) {
        (Ok(known), "admin") => Ok(known.admin),
        (Ok(known), "demo") => Ok(known.demo),
        _ => bail!(
            "the password of {} is not known here: give it in OS_PASSWORD or --password-file",
            account.user
        ),
    }
}

fn give(account: &Account, text: &str) -> Result<()> {
    match &account.output {
        Some(path) => write_private(path, text.as_bytes()),
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}
