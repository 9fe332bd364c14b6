#!/usr/bin/env bash
# OpenRLHF's RLOO on {{ t.what }}. Written by `infalign run`; the layout of GPUs is for one machine with one.
# The label carries the prompt's id to the service. init_coef is the design's beta: the price at which {{ t.kl }} nats are spent. The estimator
# rloo divides by no standard deviation; the reward's own clipping does not touch [0, 1]{% if t.raw %}, but it does touch a raw reward: widen it to the reward's range{% endif %}.
set -euo pipefail
cd "$(dirname "$0")"
python3 -m openrlhf.cli.train_ppo_ray \
  --actor.model_name_or_path {{ t.weights_word }} \
  --reward.remote_url {{ t.service }}/get_reward \
  --data.prompt_dataset {{ t.prompts_file }} --data.input_key prompt --data.label_key prompt_id{% if t.chat %} --data.apply_chat_template{% endif %} \
  --algo.advantage.estimator rloo --algo.kl.init_coef {{ t.beta }} --algo.kl.estimator k1 \
{%- if t.raw %}
  --reward.clip_range -1e9 1e9 \
{%- endif %}
  --rollout.n_samples_per_prompt {{ t.samples }} --rollout.batch_size {{ t.prompts }} --train.batch_size {{ t.prompts * t.samples }} \
  --rollout.temperature {{ t.temperature }} --rollout.max_new_tokens {{ t.max_tokens }} \
  --actor.adam.lr {{ t.learning_rate }} --train.num_episodes {{ t.episodes }} --train.seed {{ t.seed }} \
  --actor.num_nodes 1 --actor.num_gpus_per_node 1 --ref.num_nodes 1 --ref.num_gpus_per_node 1 \
  --vllm.num_engines 1 --vllm.enable_sleep --vllm.gpu_memory_utilization 0.5 --train.colocate_all \
  --ckpt.output_dir trained --ckpt.path trained/checkpoints --ckpt.save_steps {{ t.save_every }} --logger.logging_steps 1 "$@"
