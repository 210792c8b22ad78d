//! What the owner of a service can do, and how to make sure: services on a port. What lies
//! behind them is in `backend.rs`, firewalls and machines in `ground.rs`. The server is taken to
//! run Linux.

use super::fill::{Step, When};
use crate::cause::Cause as C;

pub(super) const LISTENERS: Step = Step::server(
    "Who listens on the port? No line below the header: nothing does.",
    "sudo ss -{letter}lnp 'sport = :{port}'",
);
pub(super) const UNIT_STATUS: Step = Step::server(
    "Is {service} running? The unit may have another name: on RHEL httpd, sshd, redis, mariadb.",
    "systemctl status {unit}",
);
const UNITS_FAILED: Step =
    Step::server("Has a service failed?", "systemctl --failed").when(When::Unknown);
pub(super) const UNIT_LOG: Step =
    Step::server("Read the last lines of its log.", "sudo journalctl -u {unit} -n 50 --no-pager");
const CONFIG_CHECK: Step =
    Step::server("Check the configuration before you start it.", "{check}").when(When::Known);
const RESTART: Step = Step::server("Restart {service}.", "sudo systemctl restart {unit}");
pub(super) const APACHE: Step = Step::server(
    "With Apache instead of nginx (on RHEL the unit is httpd):",
    "sudo apachectl configtest && sudo systemctl restart apache2",
)
.when(When::Web);
pub(super) const HAPROXY: Step = Step::server(
    "With HAProxy:",
    "sudo haproxy -c -f /etc/haproxy/haproxy.cfg && sudo systemctl restart haproxy",
)
.when(When::Web);
const CONTAINERS: Step = Step::server(
    "With Docker: is the container up, and is the port published (0.0.0.0:{port}->…)?",
    "docker ps --all --format 'table {{.Names}}\\t{{.Status}}\\t{{.Ports}}'",
);
pub(super) const TRY_LINUX: Step =
    Step::linux("client", "Knock at the port from your machine.", "nc -vz -w 5 {host} {port}")
        .when(When::Tcp);
pub(super) const TRY_MACOS: Step =
    Step::macos("Knock at the port from your machine.", "nc -vz -G 5 {host} {port}")
        .when(When::Tcp);
pub(super) const TRY_WINDOWS: Step = Step::windows(
    "Knock at the port from your machine (PowerShell).",
    "Test-NetConnection -ComputerName {host} -Port {port}",
)
.when(When::Tcp);
const FROM_INSIDE: Step = Step::server(
    "Ask the service from the server itself. If that works, the fault lies between it and the \
        world.",
    "nc -vz -w 5 127.0.0.1 {port}",
)
.when(When::Tcp);
const TIMED_REQUEST: Step = Step::linux(
    "client",
    "Where is the time spent? An empty `first byte` column means that the application is silent.",
    "curl -sS -o /dev/null -m 30 -w 'connect %{time_connect} tls %{time_appconnect} first byte \
        %{time_starttransfer} status %{http_code}\\n' {url}",
)
.when(When::Http);
const QUEUE: Step = Step::server(
    "Is the accept queue full? Recv-Q at or above Send-Q means that the program does not accept.",
    "ss -lnt 'sport = :{port}'",
);
const OVERFLOWS: Step = Step::server(
    "Do these counters grow? Then the kernel drops connections because the program is too slow.",
    "nstat -az TcpExtListenOverflows TcpExtListenDrops",
);
pub(super) const NGINX_LOG: Step = Step::server(
    "What does the web server say? (nginx; Apache: /var/log/apache2/error.log, on RHEL \
        /var/log/httpd/error_log)",
    "sudo tail -n 30 /var/log/nginx/error.log",
)
.when(When::Web);

/// Confirm and fix steps of the owner's causes; empty for others.
pub(super) const fn steps(cause: C) -> (&'static [Step], &'static [Step]) {
    match cause {
        C::ServiceNotListening => NOT_LISTENING,
        C::ServiceLoopbackOnly => LOOPBACK_ONLY,
        C::ServiceOneFamilyOnly => ONE_FAMILY_ONLY,
        C::ServiceWrongPort => WRONG_PORT,
        C::ServiceCrashLoop => CRASH_LOOP,
        C::ServiceStoppedAfterDeploy => STOPPED_AFTER_DEPLOY,
        C::ServiceHung => HUNG,
        C::ServiceOverloaded => OVERLOADED,
        C::ServiceClosesConnections => CLOSES_CONNECTIONS,
        C::ServiceWrongProtocol => WRONG_PROTOCOL,
        _ => (&[], &[]),
    }
}

type Pair = (&'static [Step], &'static [Step]);

const NOT_LISTENING: Pair = (
    &[LISTENERS, UNIT_STATUS, UNITS_FAILED, CONTAINERS, TRY_LINUX, TRY_MACOS, TRY_WINDOWS],
    &[
        Step::server(
            "Start {service} now and at every boot.",
            "sudo systemctl enable --now {unit}",
        ),
        UNIT_LOG,
        CONFIG_CHECK,
        APACHE,
        HAPROXY,
        Step::server(
            "With Docker Compose: start the containers and look at their last words.",
            "docker compose up -d && docker compose logs --tail 50",
        ),
        Step::any(
            "client",
            "As a visitor you cannot repair this. Tell the owner: \"{authority} refuses \
                connections\".",
            "",
        ),
    ],
);

const LOOPBACK_ONLY: Pair = (
    &[
        Step::server(
            "On which address does it listen? 127.0.0.1 or [::1] means: this machine only.",
            "sudo ss -{letter}lnp 'sport = :{port}'",
        ),
        FROM_INSIDE,
        TRY_LINUX,
        TRY_MACOS,
        TRY_WINDOWS,
    ],
    &[
        Step::server(
            "Let it listen on the public address: {listen}. Then restart \
            it.",
            "sudo systemctl restart {unit}",
        ),
        CONFIG_CHECK,
        Step::server(
            "With Docker: publish the port on all addresses, `{port}:{port}` instead of \
                `127.0.0.1:{port}:{port}`, then",
            "docker compose up -d",
        ),
        Step::server(
            "A database or an admin page is often better left on loopback: reach it through SSH \
                instead of opening it.",
            "ssh -L {port}:127.0.0.1:{port} {host}",
        )
        .when(When::NotWeb),
        Step::server(
            "Or put nginx in front: a server block with `proxy_pass http://127.0.0.1:{port};`, \
                then",
            "sudo nginx -t && sudo systemctl reload nginx",
        )
        .when(When::Http),
    ],
);

const ONE_FAMILY_ONLY: Pair = (
    &[
        Step::server(
            "Which families does it listen on? 0.0.0.0 is IPv4, [::] is IPv6 (and usually both).",
            "sudo ss -{letter}lnp 'sport = :{port}'",
        ),
        Step::linux(
            "client",
            "Which addresses does DNS publish?",
            "dig +noall +answer {host} A {host} AAAA",
        )
        .when(When::Name),
        Step::linux(
            "client",
            "Compare the two families.",
            "nc -4 -vz -w 5 {host} {port}; nc -6 -vz -w 5 {host} {port}",
        )
        .when(When::Name),
        Step::macos(
            "Compare the two families.",
            "nc -4 -vz -G 5 {host} {port}; nc -6 -vz -G 5 {host} {port}",
        )
        .when(When::Name),
        Step::windows(
            "Which addresses does DNS publish? Knock at each of them with Test-NetConnection.",
            "Resolve-DnsName {host} | Format-Table Type, IPAddress",
        )
        .when(When::Name),
    ],
    &[
        Step::server(
            "Let it listen on both families: {listen}. Then restart it.",
            "sudo systemctl restart {unit}",
        ),
        Step::server(
            "Does the firewall treat IPv6 like IPv4?",
            "sudo nft list ruleset; sudo ip6tables -S",
        ),
        Step::any(
            "dns",
            "Or remove the A or AAAA record of the family that is not served, until it is.",
            "",
        ),
    ],
);

const WRONG_PORT: Pair = (
    &[
        Step::server("On which ports does the service really listen?", "sudo ss -tulnp"),
        Step::linux(
            "client",
            "Try the usual neighbours.",
            "for p in 80 443 8080 8443; do nc -vz -w 3 {host} $p; done",
        )
        .when(When::Tcp),
        Step::macos(
            "Try the usual neighbours.",
            "for p in 80 443 8080 8443; do nc -vz -G 3 {host} $p; done",
        )
        .when(When::Tcp),
        Step::windows(
            "Try the usual neighbours.",
            "80,443,8080,8443 | ForEach-Object { Test-NetConnection -ComputerName {host} -Port $_ \
                -WarningAction SilentlyContinue | Select-Object RemotePort, TcpTestSucceeded }",
        )
        .when(When::Tcp),
    ],
    &[
        Step::any(
            "client",
            "Use the port on which the service answers; check the address for a \
            typing error.",
            "",
        ),
        Step::server(
            "Move the service to port {port}: {listen}. Then",
            "sudo systemctl restart \
            {unit}",
        ),
        Step::server(
            "With Docker: the left number of `ports:` is the one seen from outside, the right one \
                must be the program's.",
            "docker compose config | grep -A 5 'ports:'",
        ),
    ],
);

const CRASH_LOOP: Pair = (
    &[
        Step::server(
            "How often was it restarted, and how did it end?",
            "systemctl show {unit} -p NRestarts,Result,ExecMainStatus,ActiveEnterTimestamp",
        ),
        UNIT_LOG,
        Step::server(
            "With Docker: \"Restarting\" and a short uptime give it away.",
            "docker ps --all",
        ),
        Step::server(
            "Was it killed for want of memory?",
            "sudo journalctl -k --no-pager | grep -iE 'out of memory|oom-kill'",
        ),
        Step::linux(
            "client",
            "Knock every second and watch it come and go.",
            "while sleep 1; do date +%T; nc -vz -w 1 {host} {port}; done",
        )
        .when(When::Tcp),
    ],
    &[
        Step::server(
            "Stop the restarts and start it once in view.",
            "sudo systemctl stop {unit}; sudo systemctl start {unit}; sudo journalctl -u {unit} \
                -n 50 --no-pager",
        ),
        CONFIG_CHECK,
        Step::server(
            "With Docker: the last words before it died.",
            "docker compose logs --tail 100",
        ),
        Step::server(
            "systemd gave up (\"start request repeated too quickly\")? After the repair:",
            "sudo systemctl reset-failed {unit} && sudo systemctl start {unit}",
        ),
        Step::server(
            "Out of memory: see who uses it; lower the number of workers or add memory.",
            "ps -eo rss,pid,comm --sort=-rss | head",
        ),
    ],
);

const STOPPED_AFTER_DEPLOY: Pair = (
    &[
        UNIT_STATUS,
        UNIT_LOG,
        CONFIG_CHECK,
        Step::server(
            "\"Address already in use\"? See who holds the port.",
            "sudo ss -{letter}lnp 'sport = :{port}'",
        ),
        Step::server(
            "What was changed last?",
            "sudo find /etc -newermt '-1 day' -type f; grep -E ' (install|upgrade) ' \
                /var/log/dpkg.log | tail",
        ),
    ],
    &[
        Step::server("Correct what the log complains about, then", "sudo systemctl restart {unit}"),
        APACHE,
        HAPROXY,
        Step::server(
            "Another program holds the port: stop it, for example a second web server.",
            "sudo systemctl disable --now apache2",
        )
        .when(When::Web),
        Step::server(
            "With Docker: go back to the release before, with its tag in compose.yaml, then",
            "docker compose up -d",
        ),
    ],
);

const HUNG: Pair = (
    &[
        QUEUE,
        Step::server(
            "Is the process stopped (T), waiting for a disk (D) or busy \
            (R)?",
            "ps -o pid,stat,etime,wchan:20,cmd -p \"$(sudo lsof -t -i {proto}:{port} -s \
            TCP:LISTEN | paste -sd,)\"",
        )
        .when(When::Tcp),
        UNIT_LOG,
        TIMED_REQUEST,
        Step::windows(
            "Where is the time spent?",
            "curl.exe -sS -o NUL -m 30 -w 'connect %{time_connect} first byte \
                %{time_starttransfer} status %{http_code}' {url}",
        )
        .when(When::Http),
    ],
    &[
        RESTART,
        Step::server("A stopped process (T) goes on with", "sudo systemctl kill -s CONT {unit}"),
        Step::server("With Docker:", "docker compose restart"),
        Step::server(
            "Before restarting, keep evidence of what it waits for.",
            "sudo ss -tnp \
            state established; df -h; free -m",
        ),
        Step::any(
            "server",
            "Give every call to a database or another service a timeout, and the \
            supervisor a health check.",
            "",
        ),
    ],
);

const OVERLOADED: Pair = (
    &[
        OVERFLOWS,
        QUEUE,
        Step::server("Processor, memory, waiting for disks?", "uptime; vmstat 1 5"),
        Step::server(
            "Who connects most?",
            "ss -Htn state established 'sport = :{port}' | awk \
            '{print $4}' | sed 's/:[0-9]*$//' | sort | uniq -c | sort -rn | head",
        ),
        TIMED_REQUEST,
    ],
    &[
        Step::server(
            "More workers: worker_connections and worker_processes in nginx, \
            MaxRequestWorkers in Apache, maxconn in HAProxy. Then",
            "sudo nginx -t && sudo \
            systemctl reload nginx",
        )
        .when(When::Web),
        Step::server(
            "A longer accept queue: the program's own backlog counts too (`listen … \
            backlog=4096` in nginx).",
            "sudo sysctl -w net.core.somaxconn=4096",
        ),
        Step::server(
            "More descriptors: LimitNOFILE=65536 under [Service], then \
            restart.",
            "sudo systemctl edit {unit}",
        ),
        Step::server(
            "Too many connections: raise max_connections or put PgBouncer in \
            front.",
            "sudo -u postgres psql -c 'show max_connections' -c 'select count(*) from \
            pg_stat_activity'",
        )
        .when(When::Postgres),
        Step::server(
            "Too many connections:",
            "sudo mysql -e \"show variables like \
            'max_connections'; show status like 'Threads_connected'\"",
        )
        .when(When::Mysql),
        Step::any(
            "server",
            "Limit the greediest clients, cache what is asked most, or add a \
            machine.",
            "",
        ),
    ],
);

const CLOSES_CONNECTIONS: Pair = (
    &[
        UNIT_LOG,
        NGINX_LOG,
        Step::linux(
            "client",
            "Watch the conversation: which is the last line before it is \
            closed?",
            "curl -v -m 15 {url}",
        )
        .when(When::Http),
        Step::linux(
            "client",
            "Watch the conversation: which is the last line before it is \
            closed?",
            "nc -v -w 5 {host} {port}",
        )
        .when(When::TcpNotHttp),
        Step::server(
            "Did a worker crash?",
            "sudo journalctl -k --no-pager | grep -iE \
            'segfault|oom-kill'; coredumpctl list",
        ),
        Step::linux(
            "client",
            "Watch the conversation: which is the last line before it is \
            closed?",
            "ssh -v -p {port} {host}",
        )
        .when(When::Ssh),
    ],
    &[
        RESTART,
        Step::server(
            "Does the listener expect the PROXY protocol (nginx `listen … \
            proxy_protocol`, HAProxy `accept-proxy`) from clients that do not send \
            it?",
            "sudo nginx -T | grep -n proxy_protocol",
        )
        .when(When::Web),
        Step::server(
            "Are clients refused by address or number (fail2ban, MaxStartups, \
            hosts.deny)?",
            "sudo fail2ban-client status; sudo sshd -T | grep -i \
            maxstartups",
        )
        .when(When::Ssh),
        Step::server(
            "Is the client's address allowed in pg_hba.conf, and are connections \
            left?",
            "sudo -u postgres psql -c 'table pg_hba_file_rules'",
        )
        .when(When::Postgres),
        Step::server(
            "Redis in protected mode closes connections from outside: set a password and \
            `protected-mode no`, or keep it private.",
            "redis-cli config get \
            protected-mode",
        )
        .when(When::Redis),
        Step::server(
            "`Host is blocked because of many connection errors`:",
            "sudo mysqladmin \
            flush-hosts",
        )
        .when(When::Mysql),
        Step::any(
            "server",
            "A device in front may do it as well (balancer, intrusion \
            prevention): compare a request from the server to itself.",
            "",
        ),
    ],
);

const WRONG_PROTOCOL: Pair = (
    &[
        Step::linux(
            "client",
            "What does the port say by itself?",
            "nc -v -w 5 {host} {port} < \
            /dev/null",
        )
        .when(When::Tcp),
        Step::linux(
            "client",
            "Does it speak TLS?",
            "openssl s_client -connect {authority} < \
            /dev/null",
        )
        .when(When::Tcp),
        Step::linux(
            "client",
            "Does it speak plain HTTP?",
            "curl -sv -m 10 \
            http://{authority}/",
        )
        .when(When::Web),
        Step::windows(
            "Does it speak plain HTTP?",
            "curl.exe -sv -m 10 \
            http://{authority}/",
        )
        .when(When::Web),
        LISTENERS,
    ],
    &[
        Step::any(
            "client",
            "Use the scheme that fits the port: https:// for 443 and 8443, \
            http:// for 80 and 8080.",
            "",
        ),
        Step::server(
            "nginx: TLS needs the word ssl, `listen {port} ssl;`, and a \
            certificate.",
            "sudo nginx -T | grep -n 'listen '",
        )
        .when(When::Web),
        Step::server(
            "Apache: `SSLEngine on` inside the virtual host of this \
            port.",
            "sudo apachectl -S",
        )
        .when(When::Web),
        Step::server(
            "HAProxy: `bind :{port} ssl crt FILE` for TLS; `server … ssl` only if the \
            backend speaks TLS.",
            "grep -nE 'bind|server ' \
            /etc/haproxy/haproxy.cfg",
        )
        .when(When::Web),
        Step::server(
            "Another program has the port? Move one of the two.",
            "sudo ss -tlnp 'sport \
            = :{port}'",
        ),
    ],
);
