//! How users prove who they are.

/// A method of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Password,
    Token,
    ApplicationCredential,
    /// A signature shown by a service; nobody logs in with it.
    Ec2Credential,
    Totp,
}

impl Method {
    pub const ALL: [Self; 5] =
        [Self::Password, Self::Token, Self::ApplicationCredential, Self::Ec2Credential, Self::Totp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::ApplicationCredential => "application_credential",
            Self::Ec2Credential => "ec2credential",
            Self::Totp => "totp",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its bit in the mask, counted along Keystone's default list of methods: external,
    /// password, token, oauth1, mapped, application_credential, ec2credential. Those who turn on totp
    /// there put it behind these.
    fn bit(self) -> u64 {
        match self {
            Self::Password => 2,
            Self::Token => 4,
            Self::ApplicationCredential => 32,
            Self::Ec2Credential => 64,
            Self::Totp => 128,
        }
    }
}

/// The methods as a token has them.
pub fn mask(methods: &[Method]) -> u64 {
    methods.iter().fold(0, |mask, method| mask | method.bit())
}

/// The methods of a mask; `None` when there are none, or others than those here.
pub fn read(bits: u64) -> Option<Vec<Method>> {
    let methods: Vec<Method> = Method::ALL.into_iter().filter(|method| bits & method.bit() != 0).collect();
    (mask(&methods) == bits && !methods.is_empty()).then_some(methods)
}
