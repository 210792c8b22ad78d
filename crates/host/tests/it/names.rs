//! resolv.conf and the hosts file.

use std::time::Duration;

use whydown_host::resolver::{find_in_hosts, hosts, parse_resolv_conf, resolvers};
use whydown_lab::Lab;

#[test]
fn a_resolver_configuration_is_read_as_the_c_library_reads_it() {
    let found = parse_resolv_conf(
        "; comment\nnameserver 192.0.2.1 # trailing\nnameserver 2001:db8::53\nnameserver bogus\n\
         nameserver 192.0.2.2\nnameserver 192.0.2.3\ndomain first.test\n\
         search a.test B.Test.\noptions ndots:2 timeout:99 attempts:3 rotate\n",
    );
    let servers: Vec<String> = found.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::53]:53", "192.0.2.2:53"]);
    assert_eq!(found.search, ["a.test", "b.test"], "the last of domain and search wins");
    assert_eq!((found.ndots, found.attempts), (2, 3));
    assert_eq!(found.timeout, Duration::from_secs(30), "capped as in the C library");
    assert!(found.configured);
}

#[test]
fn without_a_name_server_the_machine_itself_is_asked() {
    let found = parse_resolv_conf("search corp.test\n");
    assert_eq!(found.servers, ["127.0.0.1:53".parse().unwrap()]);
    assert!(!found.configured);
}

#[test]
fn a_hosts_line_is_found_by_any_of_its_names() {
    let text = "127.0.0.1 localhost\n# 192.0.2.9 shop.test\n192.0.2.1\tshop.test Shop # pinned\n\
                not-an-address shop.test\n2001:db8::1 SHOP.TEST\n192.0.2.1 shop.test\n";
    let entry = find_in_hosts(text, "shop.test").unwrap();
    let addresses: Vec<String> = entry.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.1", "2001:db8::1"]);
    assert_eq!(entry.line, "192.0.2.1\tshop.test Shop");
    assert!(find_in_hosts(text, "shop").is_some());
    assert_eq!(find_in_hosts(text, "other.test"), None);
}

#[test]
fn each_namespace_has_its_own_files() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    client.resolv_conf("nameserver 10.99.2.53\n");
    client.hosts("10.99.2.10 shop.lab\n");
    let (found, entry) = client.enter(|| (resolvers(), hosts("shop.lab")));
    assert_eq!(found.servers, ["10.99.2.53:53".parse().unwrap()]);
    assert_eq!(entry.unwrap().line, "10.99.2.10 shop.lab");
}
