// A charging station of two foreign packages: ocpp-rpc speaks and checks by its schemas, typed-ocpp checks again.
// node station.cjs URL STATION PASSWORD VERSION TOKEN DEPARTURE
// Tells one JSON object a line of what it gets; leaves when a line comes on its input.
const { RPCClient } = require("ocpp-rpc");
const { OCPP16, OCPP20, OCPP21 } = require("typed-ocpp");
const { randomUUID } = require("node:crypto");
const readline = require("node:readline");

const [url, station, password, version, token, departure] = process.argv.slice(2);
const typed = { 1.6: OCPP16, "2.0.1": OCPP20, 2.1: OCPP21 }[version];
const old = version === "1.6";
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const sent = new Map();
let running; // 1.6's number of the transaction
let boot = { told: Date.now(), at: Date.now() };
const now = () => new Date(boot.told + Date.now() - boot.at).toISOString();

const client = new RPCClient({
  endpoint: url, identity: station, password, protocols: [`ocpp${version}`],
  strictMode: version !== "2.1", // its 2.1 schemas lack BootNotification
  reconnect: false,
});
client.on("strictValidationFailure", (failure) => tell({ invalid: String(failure.error) }));
client.on("message", ({ message, outbound }) => {
  const frame = JSON.parse(message);
  if (outbound) {
    if (frame[0] === 2) sent.set(frame[1], frame);
    return;
  }
  if (!typed.validate(frame)) tell({ invalid: typed.validate.errors, frame });
  if (frame[0] === 4) tell({ error: frame });
  if (frame[0] === 3 && !typed.checkCallResult(frame, sent.get(frame[1]))) {
    tell({ invalid: typed.checkCallResult.errors, frame });
  }
});
client.handle("SetChargingProfile", ({ params }) => {
  tell({ profile: params });
  return { status: "Accepted" };
});
client.handle("GetVariables", ({ params }) => ({
  getVariableResult: params.getVariableData.map(({ component, variable }) => ({
    component, variable, attributeStatus: "UnknownVariable",
  })),
}));
client.handle("SetVariables", ({ params }) => {
  tell({ meter: params.setVariableData.map(({ variable, attributeValue }) => [variable.name, attributeValue]) });
  return {
    setVariableResult: params.setVariableData.map(({ component, variable }) => ({
      component, variable, attributeStatus: "Accepted",
    })),
  };
});
client.handle("ChangeConfiguration", ({ params }) => {
  tell({ meter: [[params.key, params.value]] });
  return { status: "Accepted" };
});
client.handle("GetConfiguration", ({ params }) => ({ configurationKey: [], unknownKey: params.key ?? [] }));

client.handle("TriggerMessage", ({ params }) => {
  tell({ trigger: params });
  const read = values(50, 1000, "Trigger");
  const payload = old
    ? { connectorId: params.connectorId, transactionId: running, meterValue: read }
    : { evseId: params.evse.id, meterValue: read };
  setImmediate(() => call("MeterValues", payload)); // after the answer
  return { status: "Accepted" };
});

async function call(action, params) {
  const answer = await client.call(action, params);
  tell({ action, answer });
  return answer;
}

const values = (soc, wh, context = "Sample.Periodic") => [{
  timestamp: now(),
  sampledValue: [
    ["SoC", soc, "Percent"], ["Energy.Active.Import.Register", wh, "Wh"], ["Power.Active.Import", 0, "W"],
  ].map(([measurand, value, unit]) => old
    ? { measurand, value: String(value), unit, context }
    : { measurand, value, unitOfMeasure: { unit }, context }),
}];

async function stay(leave) {
  if (old) {
    await call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Preparing" });
    const { transactionId } = await call("StartTransaction", {
      connectorId: 1, idTag: token, meterStart: 1000, timestamp: now(),
    });
    running = transactionId;
    await call("MeterValues", { connectorId: 1, transactionId, meterValue: values(50, 1000) });
    await leave;
    await call("MeterValues", { connectorId: 1, transactionId, meterValue: values(55, 4000) });
    await call("StopTransaction", { transactionId, meterStop: 4000, timestamp: now(), reason: "EVDisconnected" });
    return;
  }
  const transactionId = randomUUID(), evse = { id: 1, connectorId: 1 };
  const event = (eventType, seqNo, triggerReason, meterValue, more = {}) => call("TransactionEvent", {
    eventType, seqNo, triggerReason, meterValue, evse, timestamp: now(),
    transactionInfo: { transactionId, chargingState: "Charging" }, ...more,
  });
  const idToken = { idToken: token, type: "ISO14443" };
  await call("StatusNotification", { timestamp: now(), connectorStatus: "Occupied", evseId: 1, connectorId: 1 });
  await event("Started", 0, "Authorized", values(50, 1000), { idToken });
  if (version === "2.1") {
    await call("NotifyEVChargingNeeds", {
      evseId: 1,
      chargingNeeds: {
        requestedEnergyTransfer: "AC_BPT", controlMode: "ScheduledControl", departureTime: departure,
        v2xChargingParameters: {
          maxChargePower: 11000, maxDischargePower: 11000, evTargetEnergyRequest: 5000,
          evMinV2XEnergyRequest: -20000, evMaxV2XEnergyRequest: 30000, targetSoC: 60,
        },
      },
    });
  }
  await leave;
  await event("Updated", 1, "MeterValuePeriodic", values(55, 4000));
  await event("Ended", 2, "EVDeparted", values(55, 4000));
}

async function main() {
  const leave = new Promise((done) => readline.createInterface({ input: process.stdin }).once("line", done));
  await client.connect();
  const booted = await call("BootNotification", old
    ? { chargePointModel: "Foreign", chargePointVendor: "npm" }
    : { chargingStation: { model: "Foreign", vendorName: "npm" }, reason: "PowerUp" });
  boot = { told: Date.parse(booted.currentTime), at: Date.now() };
  await stay(leave);
  await client.close();
  process.exit(0);
}

main().catch((error) => { tell({ failed: String(error) }); process.exit(1); });
