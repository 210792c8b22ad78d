//! A host agent: dials out to the server, watches the listening sockets of its own machine, and
//! tells what it sees behind the door. It listens on nothing, changes nothing, and speaks of no
//! port that it may not.

mod news;
mod sight;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use whydown_core::evidence::Families;
use whydown_core::inside::wire::{AGENT_STREAM_PATH, AgentHello, AgentOrder};
use whydown_core::wire::{Abilities, Introduction, PROTOCOL, Role, understands};
use whydown_host::inside::addresses;

use crate::link::{Lines, LinkError, Pauses, Token, enrol};
use news::{Order, Post};
pub use sight::{Allowed, Sight};

/// Orders that may wait; what comes on top is passed over, since the server asks again.
const ORDERS_MAX: usize = 64;

/// What an agent has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's address.
    pub server: String,
    /// The one-time token; not needed again once the data directory holds a registered key.
    pub token: Option<Token>,
    /// The data directory.
    pub data: PathBuf,
    /// The ports that it speaks of; empty: of all that the server allows.
    pub ports: Vec<u16>,
}

/// Runs an agent until `stop` becomes true.
///
/// # Errors
/// `Refused`: the server does not want this agent. `Unusable`: address, token or data directory.
pub async fn run(settings: Settings, mut stop: watch::Receiver<bool>) -> Result<(), LinkError> {
    tokio::select! {
        done = serve(settings) => done,
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    }
}

async fn serve(settings: Settings) -> Result<(), LinkError> {
    let Settings { server, token, data, ports } = settings;
    let introduction = Introduction {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        abilities: Abilities { families: Families::default(), icmp: false },
    };
    let identity = enrol(&data, &server, token.as_ref(), Role::Agent, introduction).await?;
    if identity.server()?.is_exposed() {
        tracing::warn!("{server} is not encrypted: everybody on the way reads along; use https://");
    }
    let allowed = Allowed::new(&ports);
    let (orders, inbox) = mpsc::channel(ORDERS_MAX);
    let sight = Sight::start(allowed.clone());
    let post = Post { client: identity.client()?, allowed: allowed.clone() };
    let ears = Ears { client: Arc::new(identity.client()?), allowed, orders };
    tokio::select! {
        refused = ears.run() => Err(refused),
        () = post.run(sight, inbox) => Ok(()),
    }
}

/// Listens to the server.
struct Ears {
    client: Arc<crate::link::Client>,
    allowed: Allowed,
    orders: mpsc::Sender<Order>,
}

impl Ears {
    /// Keeps a stream open, for ever; returns when the server refuses for good.
    async fn run(self) -> LinkError {
        let mut pauses = Pauses::default();
        loop {
            let hello = AgentHello {
                protocol: PROTOCOL,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                addresses: addresses(),
                ports: self.allowed.own(),
            };
            let error = match self.client.stream(AGENT_STREAM_PATH, &hello).await {
                Ok(lines) => {
                    pauses.reset();
                    self.follow(lines).await
                }
                Err(error) => error,
            };
            if !error.is_passing() {
                return error;
            }
            let pause = pauses.next_pause();
            tracing::warn!("no link to the server: {error}; trying in {pause:.1?}");
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&self, mut lines: Lines) -> LinkError {
        loop {
            match lines.next::<AgentOrder>().await {
                Ok(AgentOrder::Welcome { protocol, version, host, ports }) => {
                    if !understands(protocol) {
                        return LinkError::Refused(format!(
                            "it has version {version} and speaks protocol {protocol}; update the \
                             older of the two"
                        ));
                    }
                    tracing::info!(host, server = version, "linked");
                    self.allowed.grant(&ports);
                    let _ = self.orders.try_send(Order::Introduce);
                }
                Ok(AgentOrder::Look { port, transport, name }) => {
                    // Full: the server asks again.
                    let _ = self.orders.try_send(Order::Look { port, transport, name });
                }
                Ok(AgentOrder::Ping | AgentOrder::Unknown) => {}
                Err(error) => return error,
            }
        }
    }
}
