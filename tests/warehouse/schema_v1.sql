CREATE TABLE meta_schema (version BIGINT NOT NULL);
CREATE TABLE raw_source (
  source_id VARCHAR NOT NULL,
  dataset VARCHAR NOT NULL,
  source VARCHAR NOT NULL,
  file_name VARCHAR NOT NULL,
  sha256 VARCHAR NOT NULL,
  rows BIGINT NOT NULL,
  provider VARCHAR,
  licence VARCHAR,
  received_utc TIMESTAMPTZ NOT NULL,
  checked_utc TIMESTAMPTZ,
  PRIMARY KEY (source_id)
);
CREATE TABLE core_quarantine (
  dataset VARCHAR NOT NULL,
  rule VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  column_name VARCHAR,
  value VARCHAR,
  reason VARCHAR NOT NULL,
  row_key VARCHAR NOT NULL,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL,
  run_id VARCHAR NOT NULL,
  found_utc TIMESTAMPTZ NOT NULL
);
CREATE TABLE raw_price (
  zone VARCHAR,
  interval_start_utc TIMESTAMPTZ,
  resolution_minutes BIGINT,
  price_eur_per_kwh DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE raw_telemetry (
  battery_id VARCHAR,
  time_utc TIMESTAMPTZ,
  voltage_v DOUBLE,
  current_a DOUBLE,
  temperature_degc DOUBLE,
  soc_reported DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE raw_session (
  session_id VARCHAR,
  battery_id VARCHAR,
  arrival_utc TIMESTAMPTZ,
  departure_utc TIMESTAMPTZ,
  arrival_soc DOUBLE,
  departure_soc DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE raw_battery (
  battery_id VARCHAR,
  site_id VARCHAR,
  chemistry VARCHAR,
  nominal_capacity_ah DOUBLE,
  nominal_energy_kwh DOUBLE,
  cells_series BIGINT,
  cells_parallel BIGINT,
  commissioned_utc TIMESTAMPTZ,
  charge_limit_kw DOUBLE,
  discharge_limit_kw DOUBLE,
  efficiency_charge DOUBLE,
  efficiency_discharge DOUBLE,
  soc_min DOUBLE,
  soc_max DOUBLE,
  replacement_value_eur DOUBLE,
  scrap_value_eur DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE raw_site (
  site_id VARCHAR,
  zone VARCHAR,
  import_limit_kw DOUBLE,
  export_limit_kw DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE raw_checkup (
  battery_id VARCHAR,
  time_utc TIMESTAMPTZ,
  capacity_ah DOUBLE,
  resistance_ohm DOUBLE,
  temperature_degc DOUBLE,
  source_id VARCHAR NOT NULL,
  source_row BIGINT NOT NULL
);
CREATE TABLE core_price (
  zone VARCHAR NOT NULL,
  interval_start_utc TIMESTAMPTZ NOT NULL,
  resolution_minutes BIGINT NOT NULL,
  price_eur_per_kwh DOUBLE NOT NULL,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (zone, interval_start_utc)
);
CREATE TABLE core_telemetry (
  battery_id VARCHAR NOT NULL,
  time_utc TIMESTAMPTZ NOT NULL,
  voltage_v DOUBLE NOT NULL,
  current_a DOUBLE NOT NULL,
  temperature_degc DOUBLE NOT NULL,
  soc_reported DOUBLE,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL
);
CREATE TABLE core_session (
  session_id VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  arrival_utc TIMESTAMPTZ NOT NULL,
  departure_utc TIMESTAMPTZ NOT NULL,
  arrival_soc DOUBLE NOT NULL,
  departure_soc DOUBLE NOT NULL,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (session_id)
);
CREATE TABLE core_battery (
  battery_id VARCHAR NOT NULL,
  site_id VARCHAR NOT NULL,
  chemistry VARCHAR NOT NULL,
  nominal_capacity_ah DOUBLE NOT NULL,
  nominal_energy_kwh DOUBLE NOT NULL,
  cells_series BIGINT NOT NULL,
  cells_parallel BIGINT NOT NULL,
  commissioned_utc TIMESTAMPTZ NOT NULL,
  charge_limit_kw DOUBLE NOT NULL,
  discharge_limit_kw DOUBLE NOT NULL,
  efficiency_charge DOUBLE NOT NULL,
  efficiency_discharge DOUBLE NOT NULL,
  soc_min DOUBLE NOT NULL,
  soc_max DOUBLE NOT NULL,
  replacement_value_eur DOUBLE NOT NULL,
  scrap_value_eur DOUBLE NOT NULL,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (battery_id)
);
CREATE TABLE core_site (
  site_id VARCHAR NOT NULL,
  zone VARCHAR NOT NULL,
  import_limit_kw DOUBLE NOT NULL,
  export_limit_kw DOUBLE NOT NULL,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (site_id)
);
CREATE TABLE core_checkup (
  battery_id VARCHAR NOT NULL,
  time_utc TIMESTAMPTZ NOT NULL,
  capacity_ah DOUBLE NOT NULL,
  resistance_ohm DOUBLE,
  temperature_degc DOUBLE NOT NULL,
  source_id VARCHAR NOT NULL,
  received_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (battery_id, time_utc)
);
CREATE TABLE out_check (
  run_id VARCHAR NOT NULL,
  dataset VARCHAR NOT NULL,
  scope VARCHAR NOT NULL,
  rule VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  passed BOOLEAN NOT NULL,
  rows_checked BIGINT NOT NULL,
  rows_failed BIGINT NOT NULL,
  message VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (run_id, dataset, scope, rule)
);
CREATE TABLE out_calibration (
  calibration_id VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  quality VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  chemistry VARCHAR NOT NULL,
  usable_capacity_ah DOUBLE NOT NULL,
  usable_capacity_sd_ah DOUBLE NOT NULL,
  usable_energy_kwh DOUBLE NOT NULL,
  soh DOUBLE NOT NULL,
  resistance_ohm DOUBLE NOT NULL,
  resistance_sd_ohm DOUBLE NOT NULL,
  current_bias_a DOUBLE,
  chi2_per_n DOUBLE,
  samples_used BIGINT NOT NULL,
  samples_excluded BIGINT NOT NULL,
  residual_value_eur DOUBLE NOT NULL,
  l0_days DOUBLE NOT NULL,
  l0_low_days DOUBLE NOT NULL,
  l0_high_days DOUBLE NOT NULL,
  alpha_day_per_efc DOUBLE NOT NULL,
  alpha_low_day_per_efc DOUBLE NOT NULL,
  alpha_high_day_per_efc DOUBLE NOT NULL,
  beta_day_per_efc DOUBLE NOT NULL,
  beta_low_day_per_efc DOUBLE NOT NULL,
  beta_high_day_per_efc DOUBLE NOT NULL,
  law_r2 DOUBLE NOT NULL,
  law_max_residual DOUBLE NOT NULL,
  rate_r2 DOUBLE NOT NULL,
  rate_max_residual DOUBLE NOT NULL,
  window_efc_per_day DOUBLE NOT NULL,
  duty_efc_per_day DOUBLE NOT NULL,
  duty_temperature_degc DOUBLE NOT NULL,
  identifiability VARCHAR NOT NULL,
  parameters_json VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (calibration_id)
);
CREATE TABLE out_life_point (
  calibration_id VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  dod DOUBLE NOT NULL,
  cycles_per_day DOUBLE NOT NULL,
  efc_per_day DOUBLE NOT NULL,
  life_days DOUBLE NOT NULL,
  law_life_days DOUBLE NOT NULL,
  rate_life_days DOUBLE NOT NULL,
  quality VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (calibration_id, dod, cycles_per_day)
);
CREATE TABLE out_twin_residual (
  calibration_id VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  time_utc TIMESTAMPTZ NOT NULL,
  voltage_v DOUBLE NOT NULL,
  model_voltage_v DOUBLE NOT NULL,
  used BOOLEAN NOT NULL,
  quality VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL
);
CREATE TABLE out_plan (
  plan_id VARCHAR NOT NULL,
  market_date DATE NOT NULL,
  zone VARCHAR NOT NULL,
  plan_source VARCHAR NOT NULL,
  sequence BIGINT NOT NULL,
  replaces_plan_id VARCHAR,
  changed_inputs VARCHAR,
  input_parts_json VARCHAR NOT NULL,
  slots BIGINT NOT NULL,
  batteries BIGINT NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id)
);
CREATE TABLE out_plan_mode (
  plan_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  import_kwh DOUBLE NOT NULL,
  export_kwh DOUBLE NOT NULL,
  v2g_kwh DOUBLE NOT NULL,
  energy_cost_eur DOUBLE NOT NULL,
  stored_value_eur DOUBLE NOT NULL,
  wear_price_eur DOUBLE NOT NULL,
  wear_twin_eur DOUBLE,
  l0_over_l DOUBLE,
  net_benefit_eur DOUBLE NOT NULL,
  departures BIGINT NOT NULL,
  unmet_departures BIGINT NOT NULL,
  unmet_kwh DOUBLE NOT NULL,
  objective_eur DOUBLE NOT NULL,
  gap DOUBLE NOT NULL,
  solver_status VARCHAR NOT NULL,
  solve_seconds DOUBLE NOT NULL,
  plan_source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id, mode)
);
CREATE TABLE out_plan_car (
  plan_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  calibration_id VARCHAR NOT NULL,
  wear_form VARCHAR NOT NULL,
  import_kwh DOUBLE NOT NULL,
  export_kwh DOUBLE NOT NULL,
  v2g_kwh DOUBLE NOT NULL,
  energy_cost_eur DOUBLE NOT NULL,
  stored_value_eur DOUBLE NOT NULL,
  wear_price_eur DOUBLE NOT NULL,
  wear_twin_eur DOUBLE,
  l0_over_l DOUBLE,
  duty_efc_per_day DOUBLE NOT NULL,
  unmet_kwh DOUBLE NOT NULL,
  plan_source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id, mode, battery_id)
);
CREATE TABLE out_plan_slot (
  plan_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  interval_start_utc TIMESTAMPTZ NOT NULL,
  plugged BOOLEAN NOT NULL,
  charge_kw DOUBLE NOT NULL,
  discharge_kw DOUBLE NOT NULL,
  power_kw DOUBLE NOT NULL,
  energy_start_kwh DOUBLE,
  energy_end_kwh DOUBLE,
  plan_source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id, mode, battery_id, interval_start_utc)
);
CREATE TABLE out_plan_site_slot (
  plan_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  site_id VARCHAR NOT NULL,
  interval_start_utc TIMESTAMPTZ NOT NULL,
  power_kw DOUBLE NOT NULL,
  import_limit_kw DOUBLE NOT NULL,
  export_limit_kw DOUBLE NOT NULL,
  shadow_price_eur_per_kwh DOUBLE,
  plan_source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id, mode, site_id, interval_start_utc)
);
CREATE TABLE out_plan_departure (
  plan_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  session_id VARCHAR NOT NULL,
  battery_id VARCHAR NOT NULL,
  departure_utc TIMESTAMPTZ NOT NULL,
  target_kwh DOUBLE NOT NULL,
  reached_kwh DOUBLE NOT NULL,
  missing_kwh DOUBLE NOT NULL,
  reason VARCHAR NOT NULL,
  plan_source VARCHAR NOT NULL,
  run_id VARCHAR NOT NULL,
  as_of_utc TIMESTAMPTZ NOT NULL,
  input_hash VARCHAR NOT NULL,
  code_version VARCHAR NOT NULL,
  PRIMARY KEY (plan_id, mode, session_id)
);
CREATE TABLE out_run (
  run_id VARCHAR NOT NULL,
  stage VARCHAR NOT NULL,
  started_utc TIMESTAMPTZ NOT NULL,
  finished_utc TIMESTAMPTZ NOT NULL,
  status VARCHAR NOT NULL,
  exit_code BIGINT NOT NULL,
  message VARCHAR NOT NULL,
  PRIMARY KEY (run_id, stage)
);
