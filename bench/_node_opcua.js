// A node-opcua client that only subscribes: the foreign peer beside which `bench opcua` measures.
// node _node_opcua.js JSON connects, subscribes, prints `ready`; for each line on standard input it prints how many
// values came so far. NODE_PATH names the modules.
const path = require("node:path");
const readline = require("node:readline");
const {
    OPCUAClient, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, ClientSubscription,
    ClientMonitoredItemGroup, AttributeIds, TimestampsToReturn, DataChangeFilter, DataChangeTrigger, DeadbandType,
} = require("node-opcua");

const asked = JSON.parse(process.argv[2]);
let values = 0;

async function main() {
    const certificates = new OPCUACertificateManager({
        automaticallyAcceptUnknownCertificate: true, rootFolder: path.join(asked.folder, "node-client"),
    });
    await certificates.initialize();
    const client = OPCUAClient.create({
        endpointMustExist: false, clientCertificateManager: certificates, keepSessionAlive: true,
        securityMode: asked.secure ? MessageSecurityMode.SignAndEncrypt : MessageSecurityMode.None,
        securityPolicy: asked.secure ? SecurityPolicy.Basic256Sha256 : SecurityPolicy.None,
    });
    await client.connect(asked.endpoint);
    const session = await client.createSession();
    const index = (await session.readNamespaceArray()).indexOf(asked.namespace);
    const subscription = ClientSubscription.create(session, {
        requestedPublishingInterval: asked.publishing_ms, requestedLifetimeCount: 10000,
        requestedMaxKeepAliveCount: 100, maxNotificationsPerPublish: 0, publishingEnabled: true,
    });
    const group = ClientMonitoredItemGroup.create(
        subscription, asked.nodes.map((name) => ({ nodeId: `ns=${index};s=${name}`, attributeId: AttributeIds.Value })),
        {
            samplingInterval: asked.sampling_ms, queueSize: asked.queue, discardOldest: true,
            filter: new DataChangeFilter({
                trigger: DataChangeTrigger.StatusValueTimestamp, deadbandType: DeadbandType.None, deadbandValue: 0,
            }),
        }, TimestampsToReturn.Both);
    group.on("changed", () => { values += 1; });
    await new Promise((done) => group.once("initialized", done));
    console.log("ready");
    for await (const _line of readline.createInterface({ input: process.stdin })) console.log(String(values));
    process.exit(0);
}

main().catch((error) => { console.log(String(error && error.stack || error)); process.exit(1); });
