//! Containers: by the control group of a process, and the backends of their published ports.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Characters of an id that people are shown, as `docker ps` does.
const SHORT_ID_CHARS: usize = 12;
/// Bytes of a container's description that are read.
const DESCRIPTION_MAX_BYTES: u64 = 1 << 20;

/// The container of a control group, by its name where that can be read, else by its short id.
#[must_use]
pub fn of_cgroup(path: &str) -> Option<String> {
    let id = path.split('/').rev().find_map(id_of)?;
    Some(name_of(id).unwrap_or_else(|| id.chars().take(SHORT_ID_CHARS).collect()))
}

/// `docker-<id>.scope`, `libpod-<id>.scope`, `cri-containerd-<id>.scope`, a bare id (cgroup
/// version 1, Kubernetes), `lxc.payload.NAME`, `machine-NAME.scope`.
fn id_of(part: &str) -> Option<&str> {
    let stem = part.strip_suffix(".scope").unwrap_or(part);
    for prefix in ["docker-", "libpod-", "cri-containerd-", "crio-", "containerd-"] {
        if let Some(id) = stem.strip_prefix(prefix).filter(|id| is_hexadecimal_id(id)) {
            return Some(id);
        }
    }
    if is_hexadecimal_id(stem) {
        return Some(stem);
    }
    let named = stem.strip_prefix("lxc.payload.");
    named.or_else(|| part.ends_with(".scope").then(|| stem.strip_prefix("machine-")).flatten())
}

fn is_hexadecimal_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Docker keeps a container's name in its description; only root may read it.
fn name_of(id: &str) -> Option<String> {
    use std::io::Read as _;
    let path = Path::new("/var/lib/docker/containers").join(id).join("config.v2.json");
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(DESCRIPTION_MAX_BYTES).read_to_string(&mut text).ok()?;
    let description: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(description.get("Name")?.as_str()?.trim_start_matches('/').to_owned())
}

/// `docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2
/// -container-port 80`: where it passes connections to.
#[must_use]
pub fn backend_of_proxy(arguments: &[String]) -> Option<SocketAddr> {
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)
    };
    let ip: IpAddr = value("-container-ip")?.parse().ok()?;
    Some(SocketAddr::new(ip, value("-container-port")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{backend_of_proxy, of_cgroup};

    #[test]
    fn containers_are_known_by_their_control_groups() {
        let id = "3f4a".repeat(16);
        for path in [
            format!("/system.slice/docker-{id}.scope"),
            format!("/docker/{id}"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(of_cgroup(&path).as_deref(), Some("3f4a3f4a3f4a"), "{path}");
        }
        assert_eq!(of_cgroup("/lxc.payload.shop/system.slice").as_deref(), Some("shop"));
        assert_eq!(of_cgroup("/machine.slice/machine-db.scope").as_deref(), Some("db"));
        assert_eq!(of_cgroup("/system.slice/nginx.service"), None);
    }

    #[test]
    fn a_proxy_of_docker_says_where_it_leads() {
        let line = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 \
                    -container-ip 172.17.0.2 -container-port 80";
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(backend_of_proxy(&arguments), Some("172.17.0.2:80".parse().unwrap()));
        assert_eq!(backend_of_proxy(&arguments[..8]), None);
    }
}
