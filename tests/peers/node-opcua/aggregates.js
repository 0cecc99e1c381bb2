// A foreign judge of aggregates: node aggregates.js reads questions as JSON lines, answers each with one line.
//   {"points": [[ms, value, "Good"]], "start": ms, "end": ms, "step": ms, "names": ["Average"], "stepped": false, …}
//   → {"Average": [[value or null, status code]]}
const readline = require("node:readline");
const opcua = require("node-opcua");
const { AddressSpace, DataType, DataValue, StatusCodes, Variant, generateAddressSpace, nodesets } = opcua;

const FUNCTIONS = {
    Interpolative: opcua.getInterpolatedData, Average: opcua.getAverageData, Count: opcua.getCountData,
    Minimum: opcua.getMinData, Maximum: opcua.getMaxData,
    DurationGood: opcua.getDurationGoodData, DurationBad: opcua.getDurationBadData,
    PercentGood: opcua.getPercentGoodData, PercentBad: opcua.getPercentBadData,
};

function compute(compute, node, question) {
    const [start, end] = [new Date(question.start), new Date(question.end)];
    return new Promise((resolve, reject) => compute(node, question.step, start, end, (error, found) => {
        if (error) { reject(error); return; }
        resolve(found.map((each) => {
            const value = each.value ? each.value.value : null;
            return [value === undefined ? null : value, each.statusCode.value >>> 0];
        }));
    }));
}

async function main() {
    const space = AddressSpace.create();
    await generateAddressSpace(space, [nodesets.standard]);
    const own = space.registerNamespace("urn:penstock:test:aggregates");
    opcua.addAggregateSupport(space);
    let number = 0;
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const question = JSON.parse(line);
        const node = own.addVariable({ browseName: `Series${number++}`, dataType: "Double" });
        space.installHistoricalDataNode(node, { maxOnlineValues: 1000 });
        opcua.installAggregateConfigurationOptions(node, {
            stepped: question.stepped, treatUncertainAsBad: question.treat_uncertain_as_bad, useSlopedExtrapolation: false,
            percentDataGood: question.percent_data_good, percentDataBad: question.percent_data_bad,
        });
        for (const [time, value, status] of question.points) {
            const variant = new Variant({ dataType: DataType.Double, value });
            node._historyPush(new DataValue({ value: variant, sourceTimestamp: new Date(time), statusCode: StatusCodes[status] }));
        }
        const answer = {};
        for (const name of question.names) {
            answer[name] = await compute(FUNCTIONS[name], node, question).catch((error) => String(error.message || error));
        }
        process.stdout.write(JSON.stringify(answer) + "\n");
    }
    space.dispose();
}

main();
