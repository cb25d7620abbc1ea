"""The day-ahead problem of one mode, in Pyomo: the one formulation of this room.

Indices: i cars, s sessions, j sites, t slots, k plugged (car, slot) pairs, b reserve blocks; i(k), s(k), t(k)
of pair k; k−1 is the pair before k in the same session; "below j" is anywhere in the tree under site j.
p_k = c_k/η_ch − η_dis·d_k is metered power, + = import.

    max  Σ_k Δt·(λ_dis,t·η_dis·d_k − λ_ch,t·c_k/η_ch)      plugs that are meters of their own
       + Σ_j,t Δt·(λ_dis,t·g⁻_jt − λ_ch,t·g⁺_jt) − bill of B    common meters
       − Σ_k Δt·ε_t·p_k − Σ_i w_i − Σ_k ρ_i·Δt·(e_{k−1} + e_k)/2 − Σ_k κ·Δt·δ_k
       − Σ_j π_j·(K_j − K̂_j) + Σ_b π_b·|b|·Δt·y_b − π·Σ_s m_s + ω·Σ_s (e_end(s) − e_begin(s))

    slot     energy_balance  e_k = e_{k−1} + Δt·(c_k − d_k),  e_{k−1} = E_s at the session's first pair;
                             where s carries, E_s + e_end(s−1) + m_{s−1} − target_{s−1}
             taper           c_k ≤ P_i·(1 − (1 − φ)·(e_{k−1}/cap − σ)/(1 − σ))
             drawdown        M_k ≥ M_{k−1}, M_k ≥ e_k, M_k − e_k ≤ ΔDOD_i·cap_i,  M_{k−1} = E_s at first
             change          δ_k ≥ |p_k − p_prev,k|
             reserve_up      Σ_b u_kb ≤ η_dis·P_dis + p_k,  Σ_b u_kb·h_b/η_dis ≤ e − e_min  at k−1 and k
             reserve_down    Σ_b r_kb ≤ P_ch/η_ch − p_k,    Σ_b r_kb·h_b·η_ch ≤ e_max − e   likewise
             bounds          0 ≤ c_k ≤ P_ch;  0 ≤ d_k ≤ P_dis;  floor_s ≤ e_k ≤ ceiling_s;  u, r, δ ≥ 0
    car      departure       m_s ≥ target_s − e_end(s),  m_s ≥ 0
             duty            x_i = Δt·Σ_k (d_k + Σ_b a_b·u_kb/η_dis)/cap_i,  0 ≤ x_i ≤ x_max,i
             contract        Δt·Σ_k d_k ≤ V_i
             wear_cut        w_i ≥ C_i(x̂) + C_i'(x̂)·(x_i − x̂)  at tangent points x̂ (exact where linear)
    grid     site_power      P_jt = Σ_{k below j, in t} p_k,  −max(X_j + B_jt, 0) ≤ P_jt ≤ max(I_j − B_jt, 0)
             peak            K_j ≥ P_jt + B_jt,  K_j ≥ K̂_j
             meter           g⁺_jt − g⁻_jt = P_jt + B_jt,  g ≥ 0
             pool            Σ_k u_kb ≥ y_b (up, symmetric), Σ_k r_kb ≥ y_b (down, symmetric), each slot
             shaved          Q_j ≥ P_jt + B_jt, Q_j ≥ 0        (peak_shaving: min Σ Q_j of the roots)
             levelled        v_jt ≥ |P_jt + B_jt − mean_j|     (load_levelling: min Σ v_jt of the roots)
    own      own_constraint  L_c ≤ Σ_k (a_ck·c_k/η_ch + b_ck·η_dis·d_k) ≤ U_c
    switch   direction       c_k ≤ P_ch·z, d_k ≤ P_dis·y, c_k ≥ c_min·z, d_k ≥ d_min·y, y + z ≤ 1, binaries;
                             e_{k−1} + Δt·c_k ≤ ceiling_s, e_{k−1} − Δt·d_k ≥ floor_s (which follows);
                             for an arrival below SOC_min also e_k ≥ floor_s + (e_min − floor_s)·y,
                             for an arrival above SOC_max also e_k ≤ ceiling_s − (ceiling_s − e_max)·z
             meter, bid      g⁺ ≤ G⁺·(1 − y), g⁻ ≤ G⁻·y;  b_min·z ≤ y_b ≤ b_max·z

The switches say what an LP cannot: no simultaneous charge and discharge, no discharge that ends below SOC_min
nor charge that ends above SOC_max when an arrival outside the bounds has widened them, power off or at least
the minimum, one direction at a common meter, no bid below its minimum. They are added only where a solution
without them breaks the rule. x_max,i is where wear alone exceeds all that a day can gain over idling
(`optimize.worth`); it cuts off no optimum and keeps exponentials finite. Idling satisfies every row but own
constraints, so no problem without these is infeasible. Sites and slots whose limits cannot bind and that cost
nothing are left out, as is drawdown where ΔDOD is 1.

Each kind of row is one function of a small Pyomo model of one instance with open parameters (`slot`, `car`,
`grid`, `constraints`, `switch`), compiled once (`pattern`) and stamped for all its instances as arrays
(`assembly`, `day`).

| symbol | here | unit |
|---|---|---|
| c_k, d_k, e_k, M_k | charge, discharge, energy, peak_energy | kW battery-side, kWh at the slot's end |
| u_kb, r_kb, y_b | up, down, bid; ReserveBlock | kW metered |
| h_b, a_b, π_b, \\|b\\| | sustain_hours, activation_share, price_eur_per_kw_h, slots | h, 1, €/(kW·h), 1 |
| m_s | missing | kWh |
| x_i, w_i | duty, wear | EFC, € |
| P_jt, B_jt, K_j, Q_j, v_jt | power, base (Site.base_load_kw), peak, top, deviation | kW metered |
| g⁺, g⁻ | drawn, fed | kW metered |
| λ_ch, λ_dis | import_price_eur_per_kwh, export_price_eur_per_kwh | €/kWh metered |
| λ + ε at a plug | plug_cost, plug_value: ε alone behind a common meter | €/kWh metered |
| ε_t | co2_kg_per_kwh · co2_price_eur_per_kg | €/kWh metered |
| ω, π | terminal_value_eur_per_kwh, departure_price_eur_per_kwh | €/kWh battery-side |
| ρ_i, κ | rest_price_eur_per_kwh_h, change_price_eur_per_kwh | €/(kWh·h), €/kWh metered |
| π_j, K̂_j | peak_price_eur_per_kw, peak_so_far_kw | €/kW, kW |
| E_s, floor_s, ceiling_s, e_min, e_max, target_s | SessionWindow.arrival_kwh … target_kwh | kWh |
| I_j, X_j | Site.import_limit_kw, export_limit_kw | kW metered |
| P_ch, P_dis | charge_limit_kw, discharge_limit_kw of the session | kW, battery-side |
| P_i, σ, φ | Car.charge_limit_kw, Taper.from_soc, Taper.full_share | kW, 1, 1 |
| ΔDOD_i, V_i | Car.drawdown_limit, v2g_limit_kwh | 1, kWh |
| a_c, b_c, L_c, U_c | LinearConstraint: import_coefficients, export_coefficients, lower, upper | as given |
| Δt | slot_hours | h |
"""

from optimize.model.day import DayModel, build_day

__all__ = ["DayModel", "build_day"]
