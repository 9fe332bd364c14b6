#!/usr/bin/env bash
# verl's RLOO on {{ t.what }}. Written by `infalign run`; the layout of GPUs is for one machine with one.
# The prompt's id travels in extra_info. The KL is part of the reward at the design's beta, the price at which {{ t.kl }} nats are spent; nothing
# is divided by a standard deviation.
set -euo pipefail
cd "$(dirname "$0")"
python3 -m verl.trainer.main_ppo \
  data.train_files={{ t.prompts_file }} data.val_files={{ t.prompts_file }} \
  data.train_batch_size={{ t.prompts }} data.max_response_length={{ t.max_tokens }} data.seed={{ t.seed }} \
  actor_rollout_ref.model.path={{ t.weights_word }} \
  actor_rollout_ref.actor.optim.lr={{ t.learning_rate }} \
  actor_rollout_ref.actor.ppo_mini_batch_size={{ t.prompts }} actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu={{ t.samples }} \
  actor_rollout_ref.actor.use_kl_loss=False \
  actor_rollout_ref.rollout.name=vllm actor_rollout_ref.rollout.n={{ t.samples }} actor_rollout_ref.rollout.tensor_model_parallel_size=1 \
  actor_rollout_ref.rollout.temperature={{ t.temperature }} \
  actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu={{ t.samples }} actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu={{ t.samples }} \
  algorithm.adv_estimator=rloo algorithm.norm_adv_by_std_in_grpo=False \
  algorithm.use_kl_in_reward=True algorithm.kl_penalty=kl algorithm.kl_ctrl.type=fixed algorithm.kl_ctrl.kl_coef={{ t.beta }} \
  reward.custom_reward_function.path=pkg://infalign.service reward.custom_reward_function.name=compute_score \
  '+reward.custom_reward_function.reward_kwargs={url: "{{ t.service }}"}' \
  trainer.total_epochs={{ t.episodes }} trainer.total_training_steps={{ t.steps }} trainer.save_freq={{ t.save_every }} \
  trainer.nnodes=1 trainer.n_gpus_per_node=1 trainer.val_before_train=False trainer.test_freq=-1 trainer.default_local_dir=trained \
  'trainer.logger=["console"]' "$@"
