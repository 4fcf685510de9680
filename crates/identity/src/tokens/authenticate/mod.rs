//! From proofs to a token.
//!
//! Whatever is wrong with a login, the client is told the same after the same time
//! (K12). Disabled users, projects and domains are refused in one place, after the
//! proofs, whichever method gave them (K03).

mod account;
mod credential;
mod factors;
pub mod failures;
mod passcode;
mod password;
mod places;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use isospin_store_kit::Session;

use super::methods::Method;
use super::payload::DelegationId;
use super::request::{AuthRequest, MemberHandle, Proof, WantedScope};
use super::scope::{Scope, ScopeId, Standing, standing};
use super::{Issue, TokenError, ValidToken, now};
use crate::IdentityApp;
use crate::delegation::Delegation;
use crate::fault::Fault;
use crate::resources::trust;
use account::Account;
use credential::by_credential;
use passcode::{Passcode, by_passcode};
use password::{by_password, note_login};
use places::{Place, place};

pub use factors::Receipt;

/// A user some proof speaks for.
pub struct Proven {
    user_id: String,
    /// What the user's row said when the password was read, to notice a change since.
    tokens_after: Option<i64>,
    /// The application credential that was the proof, or that the token is from.
    credential: Option<String>,
    /// The token that was the proof.
    parent: Option<Arc<ValidToken>>,
    /// The one-time password that was the proof.
    passcode: Option<Passcode>,
    /// Whether there is something to put down once the login is complete.
    has_news: bool,
}

impl Proven {
    /// Who has shown what only the user knows or has.
    fn in_person(account: Account, passcode: Option<Passcode>) -> Self {
        Self {
            has_news: account.has_news(),
            user_id: account.user_id,
            tokens_after: Some(account.tokens_after),
            credential: None,
            parent: None,
            passcode,
        }
    }

    /// By leave of the user, or by a token of theirs.
    fn indirectly(user_id: String) -> Self {
        let (tokens_after, credential, parent, passcode) = (None, None, None, None);
        Self { user_id, tokens_after, credential, parent, passcode, has_news: false }
    }

    /// Both at once; `None` when they speak for different users, or the user was changed in between.
    fn and(self, other: Self) -> Option<Self> {
        let changed = match (self.tokens_after, other.tokens_after) {
            (Some(before), Some(after)) => before != after,
            _ => false,
        };
        (self.user_id == other.user_id && !changed).then(|| Self {
            user_id: self.user_id,
            tokens_after: self.tokens_after.or(other.tokens_after),
            credential: self.credential.or(other.credential),
            parent: self.parent.or(other.parent),
            passcode: self.passcode.or(other.passcode),
            has_news: self.has_news || other.has_news,
        })
    }
}

/// What a login ends with.
pub enum Outcome {
    Issued(String, Arc<ValidToken>),
    /// Methods are missing; with the receipt the rest can be sent alone.
    Unfinished(Receipt),
}

/// Checks the proofs and issues a token for the scope asked for.
pub async fn authenticate(
    app: &IdentityApp,
    request: &AuthRequest,
    receipt: Option<&str>,
) -> Result<Outcome, Fault> {
    let proven = prove(app, request).await?;
    let received = match receipt {
        Some(text) => Some(factors::receive(app, text).await?),
        None => None,
    };
    if received.as_ref().is_some_and(|received| received.user_id != proven.user_id) {
        return Err(Fault::unauthorized());
    }
    if let Some(passcode) = &proven.passcode {
        passcode.use_up(app).await?;
    }
    let before = received.iter().flat_map(|received| received.methods.iter().copied());
    let methods = methods(&request.proofs, proven.parent.as_deref(), before);
    let missing = factors::missing(&mut *app.store.reader().await?, &proven.user_id, &methods).await?;
    if let Some(missing) = missing {
        let receipt = factors::receipt(app, &proven.user_id, &methods, &missing).await?;
        return Ok(Outcome::Unfinished(receipt));
    }
    let received_at = received.map(|received| received.issued_at);
    let news_of = proven.has_news.then(|| proven.user_id.clone());
    let (text, token) = issue(app, proven, &request.scope, methods, received_at).await?;
    if let Some(user_id) = news_of {
        note_login(app, &user_id).await?;
    }
    Ok(Outcome::Issued(text, token))
}

/// A token for who signed a request with an EC2 key (K03: if they may still be there).
pub async fn by_signature(
    app: &IdentityApp,
    user_id: String,
    project_id: String,
) -> Result<(String, Arc<ValidToken>), Fault> {
    let proven = Proven::indirectly(user_id);
    let scope = WantedScope::Project(MemberHandle::Id(project_id));
    issue(app, proven, &scope, vec![Method::Ec2Credential], None).await
}

/// Issues the token of a proven user for the scope asked for.
async fn issue(
    app: &IdentityApp,
    proven: Proven,
    wanted: &WantedScope,
    methods: Vec<Method>,
    received_at: Option<i64>,
) -> Result<(String, Arc<ValidToken>), Fault> {
    let mut looks = 0;
    loop {
        // Taken before the rows are read: see `Tokens::issue`.
        let (now, generation) = (now(), app.tokens.generation());
        let mut reader = app.store.reader().await?;
        let found = place(&mut reader, &proven, wanted).await?;
        drop(reader);
        let Place { scope, delegation, standing } = found.ok_or_else(Fault::unauthorized)?;
        let changed = proven.tokens_after.is_some_and(|known| known != standing.user_tokens_after);
        let outdated = received_at.is_some_and(|issued_at| issued_at <= standing.user_tokens_after);
        if changed || outdated {
            return Err(Fault::unauthorized());
        }
        looks += 1;
        if standing.tokens_after < now || looks > MOST_LOOKS {
            use_trust(app, delegation.as_ref()).await?;
            let (user_id, parent) = (proven.user_id, proven.parent);
            let issue = Issue { user_id, scope, delegation, methods, parent, now, generation };
            return Ok(app.tokens.issue(standing, issue).await?);
        }
        next_second().await;
    }
}

/// Takes one of the uses of a trust, where they are counted.
async fn use_trust(app: &IdentityApp, delegation: Option<&DelegationId>) -> Result<(), Fault> {
    let Some(DelegationId::Trust(id)) = delegation else { return Ok(()) };
    let trust = trust::store::find(&mut *app.store.reader().await?, id).await?;
    let trust = trust.ok_or_else(Fault::unauthorized)?;
    if trust.remaining_uses.is_none() {
        return Ok(());
    }
    let left = app
        .store
        .write("", move |tx| Box::pin(async move { trust::store::use_once(tx, &trust.id).await }))
        .await?;
    if left { Ok(()) } else { Err(Fault::unauthorized()) }
}

/// Tokens know the second they were issued in, no more. Where all tokens of this
/// second were ended, by a new password say, the next one has to wait for the next
/// second. Clocks of servers that differ by more than this many are not waited for.
const MOST_LOOKS: u32 = 3;

async fn next_second() {
    let fraction = jiff::Timestamp::now().subsec_nanosecond().unsigned_abs();
    tokio::time::sleep(Duration::from_nanos(u64::from(1_000_000_000 - fraction.min(999_999_999)))).await;
}

/// All proofs must hold and speak for the same user. All are looked at in any case: which
/// one is wrong is not to be heard from the time it takes.
async fn prove(app: &IdentityApp, request: &AuthRequest) -> Result<Proven, Fault> {
    let mut looked_at = Vec::with_capacity(request.proofs.len());
    for proof in &request.proofs {
        looked_at.push(match proof {
            Proof::Password { user, password } => by_password(app, user, password)
                .await
                .and_then(|account| account.check_expiry().map(|()| Proven::in_person(account, None))),
            Proof::Totp { user, passcode } => by_passcode(app, user, passcode).await,
            Proof::Token(token) => by_token(app, token, &request.scope).await,
            Proof::ApplicationCredential { credential, secret } => {
                by_credential(app, credential, secret).await
            }
        });
    }
    let mut all: Option<Proven> = None;
    let alone = looked_at.len() == 1;
    for one in looked_at {
        // That a token is none would say that the password before it was right.
        let one = one.map_err(|fault| if alone { fault } else { fault.hide_missing() })?;
        all = Some(match all {
            None => one,
            Some(first) => first.and(one).ok_or_else(Fault::unauthorized)?,
        });
    }
    all.ok_or_else(Fault::unauthorized)
}

/// A token for a token. Who acts by the leave of another gets nothing wider by it
/// (K04, K10).
async fn by_token(app: &IdentityApp, token: &str, wanted: &WantedScope) -> Result<Proven, Fault> {
    let parent = match app.tokens.check(token).await {
        Ok(parent) => parent,
        // Not 401 as other proofs: Keystone's clients tell an ended token from a wrong password.
        Err(TokenError::Invalid) => return Err(Fault::no_token()),
        Err(error) => return Err(error.into()),
    };
    let credential = match &parent.delegation {
        Some(Delegation::Trust { .. }) => {
            return Err(Fault::forbidden(
                "Using trust-scoped token to create another token. Create a new trust-scoped token instead",
            ));
        }
        Some(Delegation::ApplicationCredential { .. }) if *wanted != WantedScope::Default => {
            return Err(Fault::forbidden(
                "Using an application credential token to create a scoped token is not allowed.",
            ));
        }
        Some(Delegation::ApplicationCredential { id, .. }) => Some(id.clone()),
        None => None,
    };
    if parent.scope == Scope::System && matches!(wanted, WantedScope::Project(_) | WantedScope::Domain(_)) {
        return Err(Fault::forbidden(
            "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.",
        ));
    }
    if !app.config.tokens.allow_rescope && parent.scope != Scope::Unscoped {
        return Err(Fault::forbidden("rescope a scoped token"));
    }
    let proven = Proven::indirectly(parent.subject_id.clone());
    Ok(Proven { credential, parent: Some(parent), ..proven })
}

/// The user with this id has this password, and could log in if it is not expired. For
/// changing a password, which needs no token.
pub async fn verify_password(app: &IdentityApp, user_id: &str, password: &str) -> Result<ProvenUser, Fault> {
    let account = by_password(app, &MemberHandle::Id(user_id.to_owned()), password).await?;
    let proven = ProvenUser { user_id: account.user_id, tokens_after: account.tokens_after };
    proven.check_unchanged(&mut *app.store.reader().await?).await?;
    Ok(proven)
}

/// A user who has just shown their password.
pub struct ProvenUser {
    user_id: String,
    tokens_after: i64,
}

impl ProvenUser {
    /// Refuses when the user was disabled, or got another password, since.
    pub async fn check_unchanged(&self, session: &mut Session) -> Result<(), Fault> {
        let standing: Option<Standing> = standing(session, &self.user_id, &ScopeId::Unscoped).await?;
        match standing {
            Some(standing) if self.tokens_after == standing.user_tokens_after => Ok(()),
            _ => Err(Fault::unauthorized()),
        }
    }
}

/// The methods of the proofs, of the token among them and of before, each once.
fn methods(
    proofs: &[Proof],
    parent: Option<&ValidToken>,
    before: impl Iterator<Item = Method>,
) -> Vec<Method> {
    let own = proofs.iter().map(Proof::method);
    let inherited = parent.into_iter().flat_map(|parent| parent.methods.iter().copied());
    own.chain(inherited).chain(before).collect::<BTreeSet<_>>().into_iter().collect()
}
