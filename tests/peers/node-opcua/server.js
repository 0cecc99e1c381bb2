// A foreign OPC UA server for the driver's tests: node server.js PORT PKI_DIR [first-namespace-uri ...]
// Commands come as JSON lines on standard input, answers go out the same way: {"ready": true} first.
// A namespace "history" is none: it makes the server record its variables.
//   {"set": "Flow", "value": 1.5, "time": 1700000000000, "status": "Good"}   {"burst": "Flow", "n": 500, "every_ms": 2}
//   {"run": ["Flow", "Counter"], "every_ms": 50} … {"stop": true}
//   {"forget": true}: end all sessions with their subscriptions, as a time-out does; "keep": their subscriptions go on
const path = require("node:path");
const readline = require("node:readline");
const {
    OPCUAServer, OPCUACertificateManager, DataType, Variant, StatusCodes, MessageSecurityMode, SecurityPolicy, DataValue,
} = require("node-opcua");

const [port, pki, ...before] = process.argv.slice(2);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const types = { Flow: DataType.Double, Counter: DataType.Int32, Running: DataType.Boolean, Name: DataType.String };
const starts = { Flow: 0.5, Counter: 1, Running: true, Name: "first" };

async function main() {
    const certificates = new OPCUACertificateManager({
        automaticallyAcceptUnknownCertificate: true, rootFolder: path.join(pki, "server"),
    });
    await certificates.initialize();
    const server = new OPCUAServer({
        port: Number(port), host: "127.0.0.1", hostname: "127.0.0.1", serverCertificateManager: certificates,
        securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
        securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
        allowAnonymous: true,
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    for (const uri of before) if (uri !== "history") space.registerNamespace(uri);
    const own = space.registerNamespace("urn:penstock:test:plc");
    const variables = {};
    for (const [name, dataType] of Object.entries(types)) {
        variables[name] = own.addVariable({
            organizedBy: space.rootFolder.objects, browseName: name, nodeId: `s=${name}`, dataType,
            minimumSamplingInterval: 0, value: { dataType, value: starts[name] },
        });
    }
    const set = ({ set: name, value, time, status }) => variables[name].setValueFromSource(
        new Variant({ dataType: types[name], value }), StatusCodes[status || "Good"], time ? new Date(time) : new Date());
    if (before.includes("history")) {
        for (const variable of Object.values(variables)) space.installHistoricalDataNode(variable, { maxOnlineValues: 100000 });
    }
    let running = null;
    await server.start();
    say({ ready: true, certificate: server.getCertificate().toString("base64") });
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const command = JSON.parse(line);
        if (command.set) { set(command); say({ done: true }); }
        if (command.run) {
            const times = [];
            running = { times, timer: setInterval(() => {
                times.push(Date.now());
                for (const name of command.run) set({ set: name, value: times.length, time: times[times.length - 1] });
            }, command.every_ms) };
        }
        if (command.forget) {
            for (const session of Object.values(server.engine._sessions)) {
                server.engine.closeSession(session.authenticationToken, !command.keep, "Timeout");
            }
            say({ done: true });
        }
        if (command.stop) { clearInterval(running.timer); say({ times: running.times }); }
        if (command.burst) {
            const times = [];
            for (let i = 0; i < command.n; i++) {
                const now = Date.now();
                times.push(now);
                set({ set: command.burst, value: i, time: now });
                await new Promise((done) => setTimeout(done, command.every_ms));
            }
            say({ times });
        }
    }
    await server.shutdown(0);
}

main().catch((error) => { say({ failed: String(error && error.stack || error) }); process.exit(1); });
