//! Authentication: password, MD5 and SCRAM-SHA-256 with channel binding.

use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::connection::{WireConnection, io_error};
use crate::address::{Address, ChannelBindingMode, Host};
use crate::error::Error;
use crate::tls::TlsInfo;

/// The authentication at one host.
pub(super) struct Authentication<'a> {
    pub(super) address: &'a Address,
    pub(super) host: &'a Host,
    pub(super) tls: Option<&'a TlsInfo>,
}

impl Authentication<'_> {
    /// Authenticates by the method that the server requests.
    pub(super) async fn run(&self, connection: &mut WireConnection) -> Result<(), Error> {
        let mut method = "none";
        let mut is_bound = false;
        loop {
            match connection.message().await? {
                Message::AuthenticationOk => {
                    self.allow(method)?;
                    return if self.requires_binding() && !is_bound {
                        Err(refused(
                            "channel_binding=require, but the server does not support channel binding",
                        ))
                    } else {
                        Ok(())
                    };
                }
                Message::AuthenticationCleartextPassword => {
                    method = "password";
                    self.allow_secret(method)?;
                    send_password(connection, self.password()?.as_bytes()).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    method = "md5";
                    self.allow_secret(method)?;
                    let (user, password) = (&self.address.user, self.password()?);
                    let hash = md5_hash(user.as_bytes(), password.as_bytes(), body.salt());
                    send_password(connection, hash.as_bytes()).await?;
                }
                Message::AuthenticationSasl(body) => {
                    method = "scram-sha-256";
                    self.allow(method)?;
                    is_bound = self.scram(connection, &body).await?;
                }
                Message::AuthenticationGss | Message::AuthenticationKerberosV5 => {
                    return Err(unsupported("GSSAPI"));
                }
                Message::AuthenticationSspi => return Err(unsupported("SSPI")),
                _ => return Err(unsupported("an unknown method")),
            }
        }
    }

    fn allow(&self, method: &str) -> Result<(), Error> {
        match &self.address.required_auth {
            Some(required) if !required.allows(method) => Err(refused(&format!(
                "the server requests authentication by {method}, which require_auth does not allow"
            ))),
            _ => Ok(()),
        }
    }

    /// For methods that send the password in a form that the receiver can use to log in.
    fn allow_secret(&self, method: &str) -> Result<(), Error> {
        if self.requires_binding() {
            return Err(refused(&format!(
                "channel_binding=require, but the server requests authentication by {method}"
            )));
        }
        self.allow(method)
    }

    fn password(&self) -> Result<&str, Error> {
        if let Some(password) = &self.host.password {
            return Ok(&password.0);
        }
        let problem = &self.address.passfile_problem;
        Err(refused(&match problem {
            Some(problem) => format!("the server requests a password: {problem}"),
            None => "the server requests a password, but none is given".to_owned(),
        }))
    }

    /// SCRAM-SHA-256. Returns whether the login is bound to the TLS channel.
    async fn scram(
        &self,
        connection: &mut WireConnection,
        body: &AuthenticationSaslBody,
    ) -> Result<bool, Error> {
        let offered: Vec<_> = body.mechanisms().collect().map_err(io_error)?;
        let (mechanism, channel) = self.scram_mechanism(&offered)?;
        let mut scram = ScramSha256::new(self.password()?.as_bytes(), channel);
        let mut message = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut message)
            .map_err(io_error)?;
        connection.send(&message).await?;
        let Message::AuthenticationSaslContinue(body) = connection.message().await? else {
            return Err(Error::UnexpectedMessage);
        };
        scram.update(body.data()).map_err(io_error)?;
        message.clear();
        frontend::sasl_response(scram.message(), &mut message).map_err(io_error)?;
        connection.send(&message).await?;
        let Message::AuthenticationSaslFinal(body) = connection.message().await? else {
            return Err(Error::UnexpectedMessage);
        };
        scram.finish(body.data()).map_err(io_error)?;
        Ok(mechanism == SCRAM_SHA_256_PLUS)
    }

    /// The mechanism, and the channel binding that the client offers with it.
    fn scram_mechanism(&self, offered: &[&str]) -> Result<(&'static str, ChannelBinding), Error> {
        let end_point = self.tls.and_then(|tls| tls.end_point.clone());
        let end_point =
            end_point.filter(|_| self.address.channel_binding != ChannelBindingMode::Disable);
        let (mechanism, channel) = match end_point {
            Some(hash) if offered.contains(&SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash),
            ),
            _ if self.requires_binding() => {
                return Err(refused(
                    "channel_binding=require, but the server or the connection does not support it",
                ));
            }
            Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        };
        if !offered.contains(&mechanism) {
            return Err(unsupported(&offered.join(", ")));
        }
        Ok((mechanism, channel))
    }

    fn requires_binding(&self) -> bool {
        self.address.channel_binding == ChannelBindingMode::Require
    }
}

async fn send_password(connection: &mut WireConnection, password: &[u8]) -> Result<(), Error> {
    let mut message = BytesMut::new();
    frontend::password_message(password, &mut message).map_err(io_error)?;
    connection.send(&message).await
}

fn unsupported(method: &str) -> Error {
    refused(&format!(
        "the server requests authentication by {method}, which is not supported"
    ))
}

fn refused(text: &str) -> Error {
    Error::connecting(io::ErrorKind::PermissionDenied, text)
}
