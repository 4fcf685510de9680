//! Proof by the secret of an application credential.

use super::super::now;
use super::super::request::{CredentialHandle, MemberHandle};
use super::Proven;
use super::account::{self, digest};
use crate::IdentityApp;
use crate::fault::Fault;
use crate::resources::application_credential::{ApplicationCredential, store};

/// The credential's owner, whoever the request says it is. A hash is computed in any
/// case, and failures are counted, as for passwords (K12).
pub async fn by_credential(
    app: &IdentityApp,
    credential: &CredentialHandle,
    secret: &str,
) -> Result<Proven, Fault> {
    let name = match credential {
        CredentialHandle::Id(id) => digest("credential", &MemberHandle::Id(id.clone())),
        CredentialHandle::Name { name, user } => digest(&format!("credential {name} of"), user),
    };
    app.failures.check(&name)?;
    let found = find(app, credential).await?;
    let hash = found.as_ref().map(|credential| credential.secret_hash.as_str());
    let right = app.passwords.check(secret, hash).await?;
    if !right {
        app.failures.count(name);
    }
    match found.filter(|credential| right && !credential.is_over(now())) {
        Some(credential) => {
            Ok(Proven { credential: Some(credential.id), ..Proven::indirectly(credential.user_id) })
        }
        None => {
            tracing::info!(?credential, "login with a wrong application credential");
            Err(Fault::unauthorized())
        }
    }
}

async fn find(
    app: &IdentityApp,
    credential: &CredentialHandle,
) -> Result<Option<ApplicationCredential>, Fault> {
    let mut reader = app.store.reader().await?;
    match credential {
        CredentialHandle::Id(id) => Ok(store::by_id(&mut reader, id).await?),
        CredentialHandle::Name { name, user } => match account::find(&mut reader, user).await? {
            Some(account) => Ok(store::by_name(&mut reader, &account.user_id, name).await?),
            None => Ok(None),
        },
    }
}
